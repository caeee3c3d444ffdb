begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
do $$
begin
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', refresh_ahead => 'auto'
    );
end
$$;
select results_eq(
    $$ select refresh_ahead, refresh_ahead_is_auto from freshness.data_types where name = 'pgtap_quote' $$,
    $$ values (interval '0', true) $$, 'auto begins with nothing'
);
insert into freshness.events (kind, data_type, is_measured, duration)
select 'fresh', 'pgtap_quote', true, n * interval '10 milliseconds' from generate_series(1, 100) as n;
insert into freshness.events (kind, data_type, duration) values ('failed', 'pgtap_quote', '1 hour');
select is(
    freshness.measure_refresh_ahead('pgtap_quote'), interval '950 milliseconds',
    'it is the 95th percentile of the successes'
);
select is(refresh_ahead, interval '950 milliseconds', 'and is kept')
from freshness.data_types where name = 'pgtap_quote';
do $$
begin
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', refresh_ahead => 'auto'
    );
end
$$;
select is(refresh_ahead, interval '950 milliseconds', 'also when it is registered again')
from freshness.data_types where name = 'pgtap_quote';
insert into freshness.events (kind, data_type, is_measured, duration)
select 'unchanged', 'pgtap_quote', true, interval '10 minutes' from generate_series(1, 200);
select freshness.measure_refresh_ahead('pgtap_quote') \g /dev/null
select is(refresh_ahead, interval '30 seconds', 'at most half of the ttl counts')
from freshness.data_types where name = 'pgtap_quote';
update freshness.data_types set refresh_ahead_is_auto = false, refresh_ahead = '5 seconds' where name = 'pgtap_quote';
select freshness.measure_refresh_ahead('pgtap_quote') \g /dev/null
select is(refresh_ahead, interval '5 seconds', 'one that was given stays') from freshness.data_types
where name = 'pgtap_quote';

select * from finish();
rollback;
