begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(11);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_source('pgtap_api', calls_per_minute => 10);
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', source => 'pgtap_api'
    );
    perform freshness.register_data_type('pgtap_free', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create function freshness_pgtap.due(p_limit integer, p_allowed jsonb default '{}') returns text
language plpgsql as $$
declare
    v_found record;
    v_job freshness.jobs;
    v_symbols text[];
begin
    select * into v_found
    from freshness.due_jobs(array['pgtap_quote', 'pgtap_free'], p_limit, '0', p_allowed);
    foreach v_job in array v_found.due loop
        v_symbols := v_symbols || v_job.symbol;
    end loop;
    return concat_ws(' ', array_to_string(v_symbols, ' '), '| ' || array_to_string(v_found.short, ' '));
end
$$;
insert into freshness.jobs (data_type, symbol, priority, viewers, run_at, stored_at)
values
('pgtap_quote', 'OLD', 0, 1, now() - interval '30 seconds', now()),
('pgtap_quote', 'SEEN', 0, 9, now() - interval '1 second', now()),
('pgtap_quote', 'ALONE', 0, 1, now() - interval '2 seconds', now()),
('pgtap_quote', 'LATER', 9, 99, now() + interval '1 minute', now());
select is(freshness_pgtap.due(9), 'SEEN OLD ALONE', 'viewers times age decides');
select is(freshness_pgtap.due(2), 'SEEN OLD', 'as many as asked for');
update freshness.jobs set priority = 1 where symbol = 'ALONE';
select is(freshness_pgtap.due(9), 'ALONE SEEN OLD', 'within a class of priority');
update freshness.jobs set requested_at = now(), priority = 0 where symbol = 'ALONE';
select is(freshness_pgtap.due(9), 'ALONE SEEN OLD', 'what somebody asked for comes first');
update freshness.jobs set run_at = now() - interval '11 minutes' where symbol = 'OLD';
select is(freshness_pgtap.due(9), 'OLD ALONE SEEN', 'age lifts a key through the classes');
select is(
    freshness_pgtap.due(9, '{"pgtap_api": {"calls": 2}}'), 'OLD ALONE | pgtap_api', 'as many as the source allows'
);
insert into freshness.jobs (data_type, symbol, viewers, run_at, stored_at)
values ('pgtap_free', 'FREE', 1, now(), now());
select is(
    freshness_pgtap.due(9, '{"pgtap_api": {"calls": 0}}'), 'FREE | pgtap_api', 'a closed source holds up its own alone'
);
update freshness.jobs set estimated_size_bytes = 600 where data_type = 'pgtap_quote';
select is(
    freshness_pgtap.due(9, '{"pgtap_api": {"calls": 9, "bytes": 1000}}'), 'OLD FREE | pgtap_api', 'and as many bytes'
);
delete from freshness.jobs where symbol <> 'OLD';
select is(freshness_pgtap.due(9), 'OLD', 'the only one that is due needs no ranking');
select is(
    freshness_pgtap.due(9, '{"pgtap_api": {"calls": 0}}'), '| pgtap_api', 'but its source has to allow it'
);
delete from freshness.jobs;
select is(freshness_pgtap.due(9), '', 'none is due');

select * from finish();
rollback;
