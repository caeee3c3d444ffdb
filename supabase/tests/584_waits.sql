begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

create table pg_temp.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'pg_temp.quotes', ttl => '1 minute');
end
$$;

insert into pg_temp.quotes values ('FRESH', 1, now()), ('STALE', 1, now() - interval '2 minutes'),
('LATER', 1, now()), ('ASIDE', 1, now() - interval '2 minutes'), ('AGAIN', 1, now() - interval '2 minutes');
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at, not_before, last_error)
values
('pgtap_quote', 'RUNS', 'infinity', 'running', -1, 1, now(), null, null),
('pgtap_quote', 'ASIDE', now(), 'failed', null, null, null, now() + interval '1 hour', 'no such thing'),
('pgtap_quote', 'AGAIN', now(), 'failed', null, null, null, now() - interval '1 hour', 'no such thing');
select results_eq(
    $$
    select symbol, status, error, is_over
    from freshness.waits(
        'pgtap_quote', array['FRESH', 'STALE', 'NONE', 'RUNS', 'ASIDE', 'AGAIN'], array_fill(false, array[6]),
        array_fill(null::timestamptz, array[6]), clock_timestamp()
    )
    order by place
    $$,
    $$ values
    ('FRESH', 'fresh', null, true), ('STALE', 'stale', null, false), ('NONE', 'missing', null, false),
    ('RUNS', 'refreshing', null, false), ('ASIDE', 'failed', 'no such thing', true),
    ('AGAIN', 'stale', 'no such thing', false)
    $$, 'a wait is over when its key is fresh, or set aside'
);
insert into freshness.jobs (data_type, symbol, run_at, stored_at, verified_at, required_as_of)
values ('pgtap_quote', 'LATER', now(), now(), now() - interval '1 second', now() + interval '1 second');
select results_eq(
    $$
    select is_over
    from freshness.waits(
        'pgtap_quote', array['LATER', 'LATER', 'LATER'], array[true, true, true],
        array[null, now() - interval '2 seconds', now()], clock_timestamp()
    )
    order by place
    $$, array[false, true, false], 'one for "refresh now" when a fetch begun after it has verified the data'
);
update freshness.jobs set required_as_of = null where data_type = 'pgtap_quote';
select is(is_over, true, 'or when no such request is left')
from freshness.waits('pgtap_quote', array['LATER'], array[true], array[now()], clock_timestamp());
insert into freshness.jobs (data_type, symbol, run_at, verified_at, fresh_until)
values ('pgtap_quote', 'NONE', now() + interval '1 minute', now(), now() + interval '1 minute');
select is(status || ' ' || is_over, 'missing true', 'or when its source has no such rows')
from freshness.waits('pgtap_quote', array['NONE'], array[false], array[null::timestamptz], clock_timestamp());

select * from finish();
rollback;
