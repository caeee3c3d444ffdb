begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_source('pgtap_api', calls_per_minute => 10000);
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', source => 'pgtap_api'
    );
end
$$;
insert into freshness.jobs (data_type, symbol, state, run_at, worker, fence, started_at, calls, estimated_size_bytes)
values ('pgtap_quote', 'A', 'running', now(), 1, 1, now(), 2, 100), ('other', 'A', 'running', now(), 1, 2, now(), 9, 9);
insert into freshness.spent_calls (source, spent_at, calls, bytes) values
('pgtap_api', clock_timestamp() - interval '59 seconds', 3, 10),
('pgtap_api', clock_timestamp() - interval '61 seconds', 4, 20),
('other', clock_timestamp(), 5, 40);
select row_eq(
    $$ select u.calls, u.bytes, u.recent, u.spent from freshness.used_calls('pgtap_api') as u $$,
    row(2::bigint, 100::numeric, 3::bigint, 30::numeric), 'what runs and what has ended lately, of this source alone'
);
select ok(not u.is_untidy, 'two rows are few') from freshness.used_calls('pgtap_api') as u;
update freshness.spent_calls set spent_at = clock_timestamp() - interval '91 seconds' where calls = 4;
select ok(u.is_untidy, 'one that no minute counts any more is too many') from freshness.used_calls('pgtap_api') as u;
update freshness.spent_calls set spent_at = clock_timestamp() + interval '5 seconds' where calls = 4;
select ok(u.is_untidy, 'so is one that the clock has gone back behind') from freshness.used_calls('pgtap_api') as u;
delete from freshness.spent_calls;
insert into freshness.spent_calls (source, calls, bytes) select 'pgtap_api', 1, 0 from generate_series(1, 101);
select ok(u.is_untidy, 'and so are more than a hundred') from freshness.used_calls('pgtap_api') as u;

select * from finish();
rollback;
