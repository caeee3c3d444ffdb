begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', refresh_ahead => '10 seconds', jitter => '10 seconds'
    );
end
$$;
insert into freshness_pgtap.quotes values
('A', 1, now() - interval '1 hour'), ('B', 1, now() - interval '2 hours'), ('C', 1, now() - interval '1 hour');
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
do $$
begin
    perform freshness.request('pgtap_quote', array['A', 'B', 'C'], true);
    perform freshness.claim(w.id, array['pgtap_quote'], 10) from freshness_pgtap.worker as w;
end
$$;
-- Rows of B went back after its fetch began, and those of C were deleted.
update freshness.jobs set stored_at = now() - interval '1 hour' where data_type = 'pgtap_quote' and symbol = 'B';
delete from freshness_pgtap.quotes where symbol = 'C';

create table freshness_pgtap.looked as
select j.symbol, j.started_at, l.*
from freshness.jobs as j
cross join lateral freshness.look('pgtap_quote', array[j.symbol], array[j.started_at]) as l (key)
where j.data_type = 'pgtap_quote';
do $$
begin
    perform freshness.ends_pgtap_quote(array_agg(j.symbol), array_agg(j.fence), null, null, null, null)
    from freshness.jobs as j where j.data_type = 'pgtap_quote';
end
$$;
select results_eq(
    $$ select verified_at, stored_at, fresh_until, run_at from freshness.jobs
    where data_type = 'pgtap_quote' and symbol = 'A' $$,
    $$ select started_at, stored_at, fresh_until, refresh_at from freshness_pgtap.looked where symbol = 'A' $$,
    'what a source confirms is found as a look finds it'
);
select results_eq(
    $$ select symbol, verified_at, fresh_until, run_at <= clock_timestamp() from freshness.jobs
    where data_type = 'pgtap_quote' and symbol > 'A' order by 1 $$,
    $$ values ('B', null::timestamptz, now() - interval '119 minutes', true), ('C', null, null, true) $$,
    'what it confirms of rows that are gone or went back counts for nothing: they are due'
);
select is_empty(
    $$ select from freshness.data_types as t where t.name = 'pgtap_quote'
    and freshness.looks_at_ends(t) not like '%' || freshness.ahead_expression(t) || '%' $$,
    'by the expressions of the look'
);

select * from finish();
rollback;
