begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

delete from freshness.sleepers;
delete from freshness.workers as w where not exists (select from freshness.jobs as j where j.worker = w.id);
delete from freshness.sweeps;
delete from freshness.events;
create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
select is(
    (
        select array_agg(kind order by kind) from freshness.findings
        where data_type is null or data_type = 'pgtap_quote'
    ),
    array['no_keys', 'no_sweep', 'no_worker'], 'nobody watches, and nobody works'
);
insert into freshness.jobs (data_type, symbol, run_at, state, last_error) values
('pgtap_quote', 'A', now(), 'failed', 'HTTP 500'), ('pgtap_quote', 'B', now(), 'failed', 'HTTP 500');
insert into freshness.events (kind, message) values ('error', 'pgtap first'), ('error', 'pgtap last');
insert into freshness.sweeps (duration, watches_ended, watches_mended, jobs_mended, taken_over)
values ('1 ms', 3, 2, 1, 0), ('1 ms', 3, 0, 0, 0);
do $$ begin perform freshness.announce_worker('pgtap'); end $$;
select set_eq(
    $$ select kind from freshness.findings where data_type is null or data_type = 'pgtap_quote' $$,
    array['errors', 'failed_keys', 'sweep_mended'], 'what needs a look is listed'
);
select results_eq(
    $$
    select message from freshness.findings
    where kind = 'errors' and data_type is null or data_type = 'pgtap_quote' order by kind
    $$,
    array[
        '2 errors on record in the last day, the last: pgtap last',
        '2 keys of pgtap_quote set aside, such as A: HTTP 500'
    ],
    'with its reason'
);

alter table freshness_pgtap.quotes drop column fetched_at cascade;
select is(
    (select message from freshness.findings where kind = 'trigger_missing' and data_type = 'pgtap_quote'),
    'our triggers on freshness_pgtap.quotes are not all there, changes wait for the sweep:'
    ' select freshness.attach_data_triggers(''pgtap_quote'')',
    'a trigger that went with a column is named, with what puts it back'
);
do $$ begin perform freshness.detach_data_triggers('pgtap_quote'); end $$;
select is_empty(
    $$ select from freshness.findings where kind = 'trigger_missing' and data_type = 'pgtap_quote' $$,
    'a table without any of them was registered so'
);

select * from finish();
rollback;
