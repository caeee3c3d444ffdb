begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

create table public.pgtap_quotes (symbol text primary key, fetched_at timestamptz);
grant select on public.pgtap_quotes to authenticated;
select lives_ok(
    $$ select freshness.register_data_type('pgtap_quote', 'public.pgtap_quotes', ttl => '1 minute') $$, 'registered'
);
select freshness.open_streams(
    array['stream:1', 'stream:2'], array['pgtap_quote', 'pgtap_quote'], array['A', 'B'],
    array['authenticated', 'authenticated'], '1 minute', 4711
);

create function pg_temp.renew() returns void language sql as $$
    select freshness.renew_streams(
        array['stream:1', 'stream:2'], array['pgtap_quote', 'pgtap_quote'], array['A', 'B'], '1 minute'
    )
$$;
create function pg_temp.lease() returns interval language sql as $$
    select min(w.lease_until) - clock_timestamp() from freshness.watches as w where w.watcher like 'stream:%'
$$;
create temporary table before_renewal on commit drop as
select w.ctid as place, w.watcher from freshness.watches as w where w.watcher like 'stream:%';
select pg_temp.renew();
select is_empty(
    $$
    select from before_renewal as b join freshness.watches as w on w.watcher = b.watcher where w.ctid <> b.place
    $$, 'a lease that is new is not written again'
);
update freshness.watches set lease_until = clock_timestamp() + interval '10 seconds' where watcher = 'stream:1';
delete from freshness.watches where watcher = 'stream:2';
delete from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'B';
select pg_temp.renew();
select cmp_ok(pg_temp.lease(), '>', interval '50 seconds', 'an older one is');
select is(
    (select count(*) from freshness.watches where watcher like 'stream:%'), 2::bigint, 'a watch that was lost is back'
);
select is((select count(*) from freshness.jobs where data_type = 'pgtap_quote'), 2::bigint, 'and so is the job');

delete from freshness.listeners where symbol = 'B' and backend = 4711;
select set_eq(
    $$
    select symbol, status from freshness.look_at_streams(array['pgtap_quote', 'pgtap_quote'], array['A', 'B'], 4711)
    $$, $$ values ('A', 'queued'), ('B', 'queued') $$, 'a look has the state of each key'
);
select is((select count(*) from freshness.listeners where backend = 4711), 2::bigint, 'and says that we listen');

select is(
    freshness.close_streams(array['stream:1'], array['pgtap_quote'], array['A'], 4711), 1, 'a stream that ends'
);
select results_eq(
    $$
    select l.symbol, (select string_agg(w.watcher, ',') from freshness.watches as w where w.watcher like 'stream:%')
    from freshness.listeners as l where l.backend = 4711
    $$, $$ values ('B', 'stream:2') $$, 'leaves nothing, and the others as they are'
);

select * from finish();
rollback;
