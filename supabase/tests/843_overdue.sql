begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_source('pgtap_api', calls_per_minute => 60);
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', source => 'pgtap_api'
    );
    perform freshness.announce_worker('pgtap');
end
$$;
create view pg_temp.found as
select (clock_timestamp() - o.since) > interval '2 minutes' as is_long
from freshness.overdue as o where o.data_type = 'pgtap_quote';

insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap_quote', 'A', clock_timestamp());
select is_empty('select * from pg_temp.found', 'a key that has just come due is for the next free worker');

update freshness.jobs set run_at = clock_timestamp() - interval '3 minutes' where data_type = 'pgtap_quote';
select results_eq('select * from pg_temp.found', 'values (true)', 'one that waits for minutes is not');
select matches(
    (select message from freshness.findings where kind = 'overdue' and data_type = 'pgtap_quote'),
    '^keys of pgtap_quote are due since .*: too few workers, or none with a refresher for it$',
    'and needs a look'
);

update freshness.sources set paused_until = clock_timestamp() + interval '1 hour' where name = 'pgtap_api';
select is_empty('select * from pg_temp.found', 'a source that is paused is the reason itself');
update freshness.sources set paused_until = null where name = 'pgtap_api';
update freshness.jobs set unwatched_at = clock_timestamp() where data_type = 'pgtap_quote';
select is_empty('select * from pg_temp.found', 'and what nobody wants is not waited for');

select * from finish();
rollback;
