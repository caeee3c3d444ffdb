begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness.jobs (data_type, symbol, state, run_at, not_before) values
('pgtap_quote', 'BACK', 'scheduled', now(), now() + interval '5 minutes'),
('pgtap_quote', 'WEEK', 'scheduled', now(), now() + interval '7 days'),
('pgtap_quote', 'WRONG', 'scheduled', now() + interval '1 day', now() + interval '1 day 5 minutes'),
('pgtap_quote', 'FAR', 'scheduled', now(), now() + interval '1 year'),
('pgtap_quote', 'FOR EVER', 'failed', now(), 'infinity');
select is(freshness.mend_not_before(), 3, 'what is held for longer than it was meant to be is brought back');
select set_eq(
    $$
    select symbol, round(extract(epoch from not_before - clock_timestamp()) / 60)::integer from freshness.jobs
    where data_type = 'pgtap_quote'
    $$,
    $$ values ('BACK', 5), ('WEEK', 10080), ('WRONG', 5), ('FAR', 10081), ('FOR EVER', 10081) $$,
    'by as much as the clock was set back, or to the longest that anything is held'
);

select * from finish();
rollback;
