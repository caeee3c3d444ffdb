begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(10);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create function freshness_pgtap.until(p_channel text) returns timestamptz
language sql as $$ select asleep_until from freshness.sleepers where channel = p_channel $$;

do $$ begin perform freshness.arm('pgtap_a', 1, array['pgtap_quote'], pg_backend_pid()); end $$;
select is(freshness_pgtap.until('pgtap_a'), 'infinity'::timestamptz, 'with nothing due a worker sleeps without end');

insert into freshness.jobs (data_type, symbol, run_at)
values ('pgtap_quote', 'A', clock_timestamp() + interval '20 seconds');
do $$ begin perform freshness.arm('pgtap_a', 1, array['pgtap_quote'], pg_backend_pid()); end $$;
select is(
    freshness_pgtap.until('pgtap_a'), (select due_at from freshness.jobs where data_type = 'pgtap_quote'),
    'else until the next deadline'
);
select is((select count(*) from freshness.sleepers where channel = 'pgtap_a'), 1::bigint, 'once in the list');

do $$ begin perform freshness.arm('pgtap_b', 2, array['pgtap_quote'], pg_backend_pid()); end $$;
select is(freshness_pgtap.until('pgtap_b'), 'infinity'::timestamptz, 'a second one leaves the time to the first');

do $$ begin perform freshness.arm('pgtap_c', 3, array['pgtap_quote', 'other'], pg_backend_pid()); end $$;
select isnt(
    freshness_pgtap.until('pgtap_c'), 'infinity'::timestamptz, 'but not one that can do what the first cannot'
);

update freshness.sleepers set looked_at = clock_timestamp() - interval '2 minutes' where channel like 'pgtap_%';
do $$ begin perform freshness.arm('pgtap_b', 2, array['pgtap_quote'], pg_backend_pid()); end $$;
select isnt(freshness_pgtap.until('pgtap_b'), 'infinity'::timestamptz, 'nor when the first has not looked for long');

do $$ begin perform freshness.stay_awake('pgtap_b'); end $$;
select ok(
    freshness_pgtap.until('pgtap_b') between now() and clock_timestamp(), 'who stays awake is not asleep any more'
);
do $$ begin perform freshness.stay_awake('pgtap_nobody'); end $$;
select is(freshness_pgtap.until('pgtap_nobody'), null, 'and nobody gets into the list by that');

do $$ begin perform freshness.disarm('pgtap_a'); end $$;
select is(freshness_pgtap.until('pgtap_a'), null, 'who is disarmed is not in the list');
select lives_ok($$ select freshness.disarm('pgtap_nobody') $$, 'disarming nobody is no error');

select * from finish();
rollback;
