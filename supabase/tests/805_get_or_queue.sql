begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, owner text, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
alter table freshness_pgtap.quotes enable row level security;
create policy own_rows on freshness_pgtap.quotes for select to authenticated
using (owner = current_setting('request.jwt.claims', true)::jsonb ->> 'sub');
grant select on freshness_pgtap.quotes to authenticated;
insert into freshness_pgtap.quotes values
('MINE', 'me', now() - interval '10 seconds'), ('OTHERS', 'you', now() - interval '1 hour');

set local "request.jwt.claims" = '{"sub": "me", "role": "authenticated"}';
set local role authenticated;
create function pg_temp.answer(p_symbol text, variadic p_fields text[])
returns jsonb
language sql
as $$
    select jsonb_agg(a.answer #> string_to_array(f, '.'))
    from (select public.get_or_queue('pgtap_quote', p_symbol) as answer) as a cross join unnest(p_fields) as f
$$;
select is(
    pg_temp.answer('MINE', 'symbol', 'status', 'queued', 'rows.0.owner', 'rows.1'),
    '["MINE", "fresh", false, "me", null]', 'a fresh row is served, and nothing queued'
);
select ok((pg_temp.answer('MINE', 'age') ->> 0)::numeric between 10 and 20, 'with its age in seconds');
select is(
    pg_temp.answer('OTHERS', 'status', 'queued', 'rows'), '["stale", true, []]',
    'a row that the caller may not see is not served; its refresh is queued'
);
select is(pg_temp.answer('OTHERS', 'queued'), '[false]', 'once');
select is(
    pg_temp.answer('NONE', 'status', 'queued', 'rows', 'age'), '["missing", true, [], null]', 'what is missing is queued'
);
reset role;
select is(
    (select count(*)::integer from freshness.jobs where data_type = 'pgtap_quote'), 2, 'each key has one job'
);
revoke select on freshness_pgtap.quotes from authenticated;
delete from freshness.jobs where data_type = 'pgtap_quote';
set local role authenticated;
select throws_ok(
    $$ select public.get_or_queue('pgtap_quote', 'OTHERS') $$,
    '42501', 'permission denied for the table of data type ''pgtap_quote''', 'who may not select gets an error'
);
reset role;
select is_empty(
    $$ select from freshness.jobs where data_type = 'pgtap_quote' $$, 'and queues nothing'
);
set local role anon;
select throws_ok(
    $$ select public.get_or_queue('pgtap_quote', 'MINE') $$, '42501', null, 'nobody asks without signing in'
);
reset role;

select * from finish();
rollback;
