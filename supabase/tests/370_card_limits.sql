begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(11);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated, service_role;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
create table freshness_pgtap.secrets (symbol text primary key, fetched_at timestamptz);
create table freshness_pgtap.news (id integer primary key, fetched_at timestamptz);
grant select on freshness_pgtap.quotes, freshness_pgtap.news to authenticated, service_role;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_secret', 'freshness_pgtap.secrets', ttl => '1 minute');
    perform freshness.register_data_type(
        'pgtap_news', 'freshness_pgtap.news', ttl => '1 minute', symbol_column => null
    );
end
$$;
insert into freshness_pgtap.quotes values ('FRESH', 1, now()), ('OLD', 1, now() - interval '1 hour');

create function pg_temp.refusal(p_statement text)
returns text
language plpgsql
as $$
declare
    v_message text;
    v_detail text;
begin
    execute p_statement;
    return 'not refused';
exception
    when sqlstate 'PGRST' then
        get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail;
        return (v_detail::jsonb ->> 'status') || ' ' || (v_message::jsonb ->> 'message');
end
$$;
select results_eq(
    $$ select lease, keys_per_call, keys_per_user from freshness.card_limits $$,
    $$ values (interval '5 minutes', 50, 500) $$, 'there are limits from the start'
);
select throws_ok($$ insert into freshness.card_limits values (false) $$, '23514', null, 'in one row');
select throws_ok(
    $$ update freshness.card_limits set keys_per_user = 10 $$, '23514', null,
    'one call cannot ask for more than a user may watch'
);
select is(
    pg_temp.refusal($$ select freshness.refuse_call(422, 'A_WORD', 'What is wrong.', null, null) $$),
    '422 What is wrong.', 'a refusal has the status that PostgREST answers with'
);
do $$
begin
    perform freshness.watch(array['pgtap_quote', 'pgtap_quote'], array['A', 'B'], 'user:1', '1 hour', null, 3);
end
$$;
select lives_ok(
    $$ select freshness.watch(array['pgtap_quote', 'pgtap_quote'], array['B', 'C'], 'user:1', '1 hour', null, 3) $$,
    'keys that are watched already do not count twice'
);
select is(
    pg_temp.refusal($$ select freshness.watch(array['pgtap_quote', 'pgtap_quote'], array['A', 'D'], 'user:1', '1 hour', null, 3) $$),
    '429 You would watch 4 keys; at most 3 are allowed.', 'one too many is refused'
);
select set_eq(
    $$ select symbol from freshness.watches where watcher = 'user:1' $$, array['A', 'B', 'C'], 'and nothing recorded'
);
select lives_ok(
    $$ select freshness.watch(array['pgtap_quote'], array['D'], 'user:2', '1 hour', null, 3) $$, 'others have their own'
);
update freshness.watches set lease_until = now() - interval '1 second' where watcher = 'user:1' and symbol = 'A';
select lives_ok(
    $$ select freshness.watch(array['pgtap_quote'], array['D'], 'user:1', '1 hour', null, 3) $$,
    'a lease that has ended leaves its place'
);

-- As a dump of the schema alone leaves it.
delete from freshness.card_limits;
select lives_ok(
    $$ select * from freshness.add_cards('{pgtap_quote}', '{E}', 'user:3', 'authenticated') $$,
    'without its row cards have the limits of a new database'
);
select is((select keys_per_user from freshness.card_limits), 500, 'and the row is there again');

select * from finish();
rollback;
