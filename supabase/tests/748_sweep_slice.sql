begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.sweep();
end
$$;
insert into freshness.watches (data_type, symbol, watcher, lease_until)
select 'pgtap_quote', s, 'user:1', now() + interval '1 hour' from unnest(array['A', 'B', 'C', 'D', 'E']) as s;
insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap_quote', 'E', now());
insert into freshness.sweep_slices (data_type, symbols) values ('pgtap_gone', array['left by a sweep that was cut short']);
create table freshness_pgtap.sweep as select * from freshness.prepare_sweep(2);
create function freshness_pgtap.slices() returns text
language sql as $$
    select coalesce(string_agg(coalesce(array_to_string(symbols, ' '), 'compare'), ', ' order by id), '')
    from freshness.sweep_slices where data_type = 'pgtap_quote'
$$;
create function freshness_pgtap.take() returns void
language plpgsql as $$
declare
    v_sweep freshness.sweeps;
begin
    select * into v_sweep from freshness_pgtap.sweep;
    v_sweep := freshness.sweep_slice(v_sweep, 2);
    delete from freshness_pgtap.sweep;
    insert into freshness_pgtap.sweep (started_at, duration, watches_ended, keys_released, viewers_counted,
        history_pruned, watches_mended, jobs_mended, taken_over, is_complete, id)
    values (v_sweep.started_at, v_sweep.duration, v_sweep.watches_ended, v_sweep.keys_released,
        v_sweep.viewers_counted, v_sweep.history_pruned, v_sweep.watches_mended, v_sweep.jobs_mended,
        v_sweep.taken_over, v_sweep.is_complete, v_sweep.id);
end
$$;
select is(freshness_pgtap.slices(), 'compare', 'the keys are compared when the subscriptions have their watches');
select ok(
    not exists (select from freshness.sweep_slices where data_type = 'pgtap_gone'),
    'what a sweep has left that was cut short is forgotten'
);
do $$
begin
    while freshness_pgtap.slices() = 'compare' loop
        perform freshness_pgtap.take();
    end loop;
    while exists (select from freshness.sweep_slices where symbols is null) loop
        perform freshness_pgtap.take();
    end loop;
end
$$;
select is(freshness_pgtap.slices(), 'A B, C D, E', 'they are compared once, those without a job first');
do $$ begin perform freshness_pgtap.take(); end $$;
select is(freshness_pgtap.slices(), 'C D, E', 'each turn mends one slice');
select is(jobs_mended, 2, 'and counts it') from freshness_pgtap.sweep;
do $$
begin
    for v_turn in 1..2 loop
        perform freshness_pgtap.take();
    end loop;
end
$$;
select ok(id is null and jobs_mended = 4 and viewers_counted = 1, 'the counts add up') from freshness_pgtap.sweep;
do $$ begin perform freshness_pgtap.take(); end $$;
select ok(id is not null and is_complete, 'the last turn records the sweep') from freshness_pgtap.sweep;
select is(
    (select jobs_mended from freshness.sweeps order by id desc limit 1), 4, 'as one'
);

select * from finish();
rollback;
