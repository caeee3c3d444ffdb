begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

update freshness.card_limits set keys_per_call = 3, keys_per_user = 3;
create table public.pgtap_quotes (symbol text primary key, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'public.pgtap_quotes', ttl => '1 minute');
    perform freshness.watch(array['pgtap_quote', 'pgtap_quote'], array['A', 'B'], 'user:1', '1 hour', null, 3);
end
$$;

create function pg_temp.refused(p_streams text[], p_symbols text[]) returns text[] language sql as $$
    select freshness.refuse_streams(p_streams, array_fill('pgtap_quote'::text, array[cardinality(p_symbols)]), p_symbols)
$$;
select is(
    pg_temp.refused(array['stream:1:user:1', 'stream:1:user:1', 'stream:2:user:1'], array['A', 'C', 'B']), '{}'::text[],
    'a key of a card can be streamed, and one that is left'
);
select is(
    pg_temp.refused(
        array['stream:1:user:1', 'stream:2:user:1', 'stream:3:user:1', 'stream:4:user:2', 'stream:4:user:2'],
        array['C', 'D', 'C', 'D', 'E']
    ),
    array['stream:2:user:1'], 'who comes first gets the last place, and others have their own'
);
select is(
    pg_temp.refused(array['stream:1:user:1', 'stream:1:user:1'], array['C', 'D']), array['stream:1:user:1'],
    'a stream opens with all of its keys, or not at all'
);
select is(pg_temp.refused('{}', '{}'), '{}'::text[], 'nobody, nothing');

select freshness.lease_streams(array['stream:9:user:1'], array['pgtap_quote'], array['C'], '1 hour');
select is(
    pg_temp.refused(array['stream:1:user:1', 'stream:2:user:1'], array['C', 'D']), array['stream:2:user:1'],
    'keys that are streamed count, each once'
);
select throws_ok(
    $$ select freshness.watch(array['pgtap_quote'], array['D'], 'user:1', '1 hour', null, 3) $$, 'PGRST', null,
    'for cards too'
);
select lives_ok(
    $$ select freshness.watch(array['pgtap_quote'], array['C'], 'user:1', '1 hour', null, 3) $$,
    'unless they are the same'
);
update freshness.card_limits set keys_per_call = 1, keys_per_user = 1;
select is(
    pg_temp.refused(array['stream:1:user:1', 'stream:2:user:1'], array['C', 'D']), array['stream:2:user:1'],
    'below what one has already nothing is added'
);

select * from finish();
rollback;
