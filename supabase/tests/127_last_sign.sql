begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

select is(
    freshness.last_sign(now(), now() - interval '1 minute', '15 seconds'), now(), 'a worker is heard of after its start'
);
select is(
    freshness.last_sign(now() - interval '1 hour', now(), '15 seconds'), now(),
    'what is handed to one that sleeps gives it its time anew'
);
select is(
    freshness.last_sign(now() - interval '1 hour', now() + interval '1 hour', '15 seconds'), now() - interval '1 hour',
    'but not for as long as a clock was ahead'
);

select * from finish();
rollback;
