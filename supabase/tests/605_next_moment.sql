begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.workers as select freshness.announce_worker(n) as id, n from unnest(array['a', 'b']) as n;
create function freshness_pgtap.worker(p_name text) returns bigint
language sql as $$ select id from freshness_pgtap.workers where n = p_name $$;
create function freshness_pgtap.seconds(p_worker bigint, p_data_types text[]) returns double precision
language sql as $$ select freshness.seconds_until(freshness.next_moment(p_worker, p_data_types)) $$;
update freshness.workers set seen_at = now() - interval '1 minute' where id in (select id from freshness_pgtap.workers);
delete from freshness.pulls;
insert into freshness.jobs (data_type, symbol, run_at)
values ('pgtap_quote', 'A', clock_timestamp() + interval '1 minute');
select ok(
    freshness_pgtap.seconds(freshness_pgtap.worker('a'), array['pgtap_quote']) between 50 and 60,
    'the next moment is the next deadline'
);
select is(freshness_pgtap.seconds(freshness_pgtap.worker('a'), array['pgtap_nope']), null, 'of its own data types');
update freshness.jobs set not_before = clock_timestamp() + interval '10 minutes' where data_type = 'pgtap_quote';
select ok(freshness_pgtap.seconds(freshness_pgtap.worker('a'), array['pgtap_quote']) > 500, 'less what holds it back');
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at)
values ('pgtap_quote', 'RUNS', 'infinity', 'running', freshness_pgtap.worker('b'), nextval('freshness.fences'), now());
select ok(
    freshness_pgtap.seconds(freshness_pgtap.worker('a'), array['pgtap_quote']) between 10 and 15,
    'or when another worker will have missed its heartbeat, from when it was handed what it runs'
);
update freshness.jobs set started_at = now() - interval '16 seconds' where symbol = 'RUNS';
select ok(
    freshness_pgtap.seconds(freshness_pgtap.worker('a'), array['pgtap_quote']) < 0,
    'or has missed it'
);
select ok(freshness_pgtap.seconds(freshness_pgtap.worker('b'), array['pgtap_quote']) > 0, 'not its own');

-- Handed over by a transaction that committed after it had left.
select freshness.dismiss_worker(freshness_pgtap.worker('b'));
update freshness.jobs
set state = 'running', run_at = 'infinity', worker = freshness_pgtap.worker('b'), fence = 1, started_at = now()
where symbol = 'RUNS';
select ok(
    freshness_pgtap.seconds(freshness_pgtap.worker('a'), array['pgtap_quote']) <= 0,
    'at once, when something runs for a worker that is not on the list'
);

select is(
    freshness.next_due(array['pgtap_quote']), (select max(due_at) from freshness.jobs where symbol = 'A'),
    'of jobs alone it is the first that is due'
);

select * from finish();
rollback;
