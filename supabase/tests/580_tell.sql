begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(7);

-- Notifications that this transaction sends go out when it commits, so those that would are counted in place of it.
create function pg_temp.told() returns bigint language sql as $$
    select count(*)
    from pg_trigger as t
    where t.tgrelid = 'freshness.events'::regclass and t.tgname = 'tell_listeners' and t.tgenabled <> 'D'
$$;
select is(pg_temp.told(), 1::bigint, 'whoever listens is told by whatever adds events');
select is(tgtype & 1, 0, 'once for each statement') from pg_trigger
where tgrelid = 'freshness.events'::regclass and tgname = 'tell_listeners';
select lives_ok(
    $$
    insert into freshness.events (kind, data_type, symbol, fence)
    values ('fresh', 'pgtap_quote', 'A', 1), ('error', null, null, null)
    $$, 'nobody listens'
);
insert into freshness.listeners (data_type, symbol, backend, is_told_of_starts)
values ('pgtap_quote', 'A', 1, false), ('pgtap_quote', repeat(E'\u0001', 200), 1, true);
select lives_ok(
    $$
    insert into freshness.events (kind, data_type, symbol, fence)
    values ('fresh', 'pgtap_quote', 'A', 1), ('refreshing', 'pgtap_quote', 'A', 2), ('error', null, null, null)
    $$, 'somebody does'
);
select lives_ok(
    $$
    insert into freshness.events (kind, data_type, symbol, message)
    values ('failed', 'pgtap_quote', repeat(E'\u0001', 200), repeat('x', 9000))
    $$, 'no symbol and no message is too long to be told'
);

select lives_ok(
    $$
    insert into freshness.jobs (data_type, symbol, run_at, requested_at, fresh_until)
    values ('pgtap_quote', repeat(E'\u0001', 200), now(), now(), 'infinity')
    $$, 'a job is asked for'
);
select lives_ok(
    $$ select freshness.tell_queued('pgtap_quote', array[repeat(E'\u0001', 200)], now()) $$, 'and that is told'
);

select * from finish();
rollback;
