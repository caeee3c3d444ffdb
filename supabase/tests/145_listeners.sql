begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

select is(relpersistence, 'u', 'to say that one listens waits for no flush')
from pg_class where oid = 'freshness.listeners'::regclass;
insert into freshness.listeners (data_type, symbol, backend) values ('pgtap_quote', 'A', 1), ('pgtap_quote', 'A', 2);
select is(count(*), 2::bigint, 'several may listen for a key')
from freshness.listeners where data_type = 'pgtap_quote' and not is_told_of_starts;
select throws_ok(
    $$ insert into freshness.listeners (data_type, symbol, backend) values ('pgtap_quote', 'A', 1) $$,
    '23505', null, 'each once'
);
select lives_ok(
    $$
    insert into freshness.listeners (data_type, symbol, backend, is_told_of_starts) values ('pgtap_quote', 'A', 1, true)
    $$, 'or twice, when it waits for the key and streams it'
);

select * from finish();
rollback;
