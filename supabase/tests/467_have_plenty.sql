begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(11);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_source('pgtap_api', calls_per_minute => 10000, calls_in_flight => 9000);
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', source => 'pgtap_api'
    );
end
$$;
select ok(freshness.have_plenty('{}', 5000), 'without a source any number may start');
select ok(freshness.have_plenty('{pgtap_unknown}', 5000), 'so it may with one that has no budget');
select ok(freshness.have_plenty('{pgtap_api}', 9000), 'and with one whose budget is larger');
select ok(not freshness.have_plenty('{pgtap_api}', 9001), 'not with one whose budget is not');
select ok(not freshness.have_plenty('{pgtap_api,pgtap_unknown}', 9001), 'nor when it is one of several');
insert into freshness.spent_calls (source, calls, bytes) values ('pgtap_api', 5001, 0);
select ok(not freshness.have_plenty('{pgtap_api}', 5000), 'what was spent in the last minute counts');
delete from freshness.spent_calls;
insert into freshness.jobs (data_type, symbol, state, run_at, worker, fence, started_at, calls)
values ('pgtap_quote', 'A', 'running', now(), 1, 1, now(), 4001);
select ok(not freshness.have_plenty('{pgtap_api}', 5000), 'and what runs');
delete from freshness.jobs;
update freshness.sources set burst = 10000 where name = 'pgtap_api';
select ok(not freshness.have_plenty('{pgtap_api}', 10), 'a pace has to be kept account of');
update freshness.sources set burst = null, paused_until = now() + interval '1 minute' where name = 'pgtap_api';
select ok(not freshness.have_plenty('{pgtap_api}', 10), 'a pause holds all of it');
update freshness.sources set paused_until = now() - interval '1 minute' where name = 'pgtap_api';
select ok(freshness.have_plenty('{pgtap_api}', 10), 'until it is over');
update freshness.sources set opens_at = now() where name = 'pgtap_api';
select ok(not freshness.have_plenty('{pgtap_api}', 10), 'and what says that it was short has to be taken back');

select * from finish();
rollback;
