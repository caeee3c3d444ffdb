begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_source('pgtap', calls_per_minute => 60);
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', source => 'pgtap', refresh_ahead => 'auto'
    );
end
$$;
insert into freshness_pgtap.quotes values ('A', 1, now() - interval '1 hour'), ('B', 1, now() - interval '1 hour');
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
do $$
begin
    perform freshness.request('pgtap_quote', array['A', 'B'], true);
    perform freshness.claim(w.id, array['pgtap_quote'], 10) from freshness_pgtap.worker as w;
end
$$;
create table freshness_pgtap.runs as select symbol, fence from freshness.jobs where data_type = 'pgtap_quote';
-- B was asked for again meanwhile, and its source had failed.
update freshness.jobs set requested_at = clock_timestamp(), required_as_of = clock_timestamp()
where data_type = 'pgtap_quote' and symbol = 'B';
update freshness.sources set failures = 2 where name = 'pgtap';

create table freshness_pgtap.ended as
select e.* from unnest((
    select freshness.ends_pgtap_quote(
        array_agg(r.symbol order by r.symbol), array_agg(r.fence order by r.symbol), null,
        array['{"etag": "a"}', null], array[7, null], array[3, null]
    )
    from freshness_pgtap.runs as r
)) as e;
select results_eq(
    $$ select r.symbol, e.outcome, e.due_in between 20 and 60, e.due_in <= 0 from freshness_pgtap.runs as r
    join freshness_pgtap.ended as e on e.fence = r.fence order by 1 $$,
    $$ values ('A', 'unchanged', true, false), ('B', 'unchanged', false, true) $$,
    'each is told how it ended, and when it is due: at once if it was asked for meanwhile'
);
select results_eq(
    $$ select symbol, state::text, fence, attempts, calls::integer, validators, estimated_size_bytes, required_as_of is not null
    from freshness.jobs where data_type = 'pgtap_quote' order by 1 $$,
    $$ values ('A', 'scheduled', null::bigint, 0, 0, '{"etag": "a"}'::jsonb, 7::bigint, false),
    ('B', 'scheduled', null, 0, 0, null, null, true) $$,
    'their jobs wait for their deadlines, and the request is kept'
);
select results_eq(
    $$ select kind, symbol, is_measured from freshness.events where data_type = 'pgtap_quote' order by 2 $$,
    $$ values ('unchanged', 'A', true), ('unchanged', 'B', true) $$, 'both ends are on record'
);
select results_eq(
    $$ select calls, bytes from freshness.spent_calls where source = 'pgtap' $$,
    $$ values (4, 7::bigint) $$, 'and so is what they spent'
);
select is(failures, 0, 'the source has answered again') from freshness.sources where name = 'pgtap';
select is(
    (
        select freshness.ends_pgtap_quote(array_agg(r.symbol), array_agg(r.fence), null, null, null, null)
        from freshness_pgtap.runs as r
    ),
    null, 'fences that were lost end nothing'
);

select * from finish();
rollback;
