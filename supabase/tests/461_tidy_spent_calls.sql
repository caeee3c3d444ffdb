begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

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
create table freshness_pgtap.moment as select date_bin('2 seconds', clock_timestamp(), 'epoch') - interval '10 seconds' as begins_at;
insert into freshness.spent_calls (source, spent_at, calls, bytes)
select s.source, m.begins_at + s.after, s.calls, 10
from freshness_pgtap.moment as m
cross join (values
    ('pgtap_api', interval '0.1 seconds', 1), ('pgtap_api', interval '0.9 seconds', 2),
    ('pgtap_api', interval '1.5 seconds', 3), ('pgtap_api', interval '2.2 seconds', 4), ('other', interval '0.7 seconds', 5)
) as s (source, after, calls);
select lives_ok(
    $$ select freshness.tidy_spent_calls('pgtap_api', freshness.used_calls('pgtap_api')) $$, 'what is not old is gathered'
);
select results_eq(
    $$
    select c.calls, c.bytes, c.spent_at - m.begins_at
    from freshness.spent_calls as c cross join freshness_pgtap.moment as m
    where c.source = 'pgtap_api' order by c.spent_at
    $$,
    $$ values (6, 30::bigint, interval '1.5 seconds'), (4, 10::bigint, interval '2.2 seconds') $$,
    'those of two seconds are one, which counts as long as the last of them'
);
select is(count(*), 1::bigint, 'another source''s are left') from freshness.spent_calls where source = 'other';
select is(u.recent, 10::bigint, 'none is lost') from freshness.used_calls('pgtap_api') as u;
update freshness.spent_calls set spent_at = spent_at - interval '2 minutes' where calls = 4;
select lives_ok(
    $$ select freshness.tidy_spent_calls('pgtap_api', freshness.used_calls('pgtap_api')) $$, 'what is old is folded'
);
select is(d.calls, 4::bigint, 'into the day''s sum') from freshness.spent_days as d where d.source = 'pgtap_api';

select * from finish();
rollback;
