begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.arm('pgtap_a', 1, array['pgtap_quote'], pg_backend_pid());
end
$$;
create function freshness_pgtap.settle() returns record
language sql as $$
    select row(s.seconds, s.since is null) from freshness.settle('pgtap_a', 1, array['pgtap_quote'], pg_backend_pid()) as s
$$;
delete from freshness.pulls;

select is(freshness_pgtap.settle()::text, '(,f)', 'with nothing due there is no end to the sleep');

insert into freshness.pulls (data_type, symbol, reason) values ('pgtap_quote', 'A', 'watched');
select is(freshness_pgtap.settle()::text, '(0.25,f)', 'what is left in the inbox is looked at soon');
delete from freshness.pulls;

insert into freshness.jobs (data_type, symbol, run_at)
values ('pgtap_quote', 'A', clock_timestamp() + interval '20 seconds');
select is(freshness_pgtap.settle()::text, '(0.002,t)', 'when the deadline has changed it is said anew, and begun anew');
select ok(
    (select s.seconds between 10 and 20 from freshness.settle('pgtap_a', 1, array['pgtap_quote'], pg_backend_pid()) as s),
    'then the sleep ends at it'
);

update freshness.jobs set run_at = clock_timestamp() - interval '1 second' where data_type = 'pgtap_quote';
select ok(
    (select s.seconds < 0 from freshness.settle('pgtap_a', 1, array['pgtap_quote'], pg_backend_pid()) as s),
    'what is due is to be claimed'
);

insert into freshness.sleepers (channel, worker, data_types, listener, asleep_until, looked_at)
values ('pgtap_dead', 2, '{}', 0, 'infinity', clock_timestamp());
do $$ begin perform freshness.note_look('pgtap_a'); end $$;
select is((select count(*) from freshness.sleepers where channel = 'pgtap_dead'), 0::bigint, 'the dead are removed');

select * from finish();
rollback;
