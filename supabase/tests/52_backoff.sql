begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

select ok(
    (select bool_and(freshness.backoff(1) between '0.5 seconds' and '1 second') from generate_series(1, 50)),
    'a first wait is up to a second'
);
select ok(
    (select bool_and(freshness.backoff(1000000) between '150 seconds' and '5 minutes') from generate_series(1, 50)),
    'a late one up to five minutes'
);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness.jobs (data_type, symbol, state, run_at, not_before) values
('pgtap_quote', 'BACK', 'scheduled', now(), now() + interval '5 minutes'),
('pgtap_quote', 'ASIDE', 'failed', now(), now() + interval '1 hour'),
('pgtap_quote', 'WRONG', 'scheduled', now(), now() + interval '1 day'),
('pgtap_quote', 'FOR EVER', 'failed', now(), 'infinity');
select is(freshness.mend_not_before(), 2, 'what is held for longer than can be comes back: the clock was set back');
select set_eq(
    $$
    select symbol from freshness.jobs
    where
        data_type = 'pgtap_quote'
        and not_before <= clock_timestamp() + case state when 'failed' then interval '1 hour' else '5 minutes' end
    $$,
    array['BACK', 'ASIDE', 'WRONG', 'FOR EVER'], 'to the longest that it can be held'
);

select * from finish();
rollback;
