begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('FRESH', 1, now()), ('OLD', 1, now() - interval '1 hour'),
('RUNS', 1, now());
select results_eq(
    $$
    select status, fresh_until from freshness.key_states(array['pgtap_quote', 'pgtap_quote'], array['FRESH', 'OLD'])
    $$,
    $$ values ('fresh', now() + interval '1 minute'), ('queued', now() - interval '59 minutes') $$,
    'a key is fresh until its deadline'
);
insert into freshness.jobs (data_type, symbol, run_at, not_before, state, worker, fence, started_at) values
('pgtap_quote', 'BACKOFF', now(), now() + interval '1 hour', 'scheduled', null, null, null),
('pgtap_quote', 'ASIDE', now(), now() + interval '1 hour', 'failed', null, null, null),
('pgtap_quote', 'RUNS', now(), null, 'running', 1, nextval('freshness.fences'), now());
select results_eq(
    $$
    select symbol, status, due_at from freshness.key_states(
        array_fill('pgtap_quote'::text, array[3]), array['BACKOFF', 'RUNS', 'ASIDE']
    )
    $$,
    $$
    values ('BACKOFF', 'failed', now() + interval '1 hour'), ('RUNS', 'running', now()),
    ('ASIDE', 'failed', now() + interval '1 hour')
    $$,
    'one that runs does so since due_at, one that failed is held back until then'
);
do $$
begin
    perform freshness.request('pgtap_quote', array['FRESH'], true);
end
$$;
select is(status, 'queued', 'fresh data that somebody wants refreshed now is queued')
from freshness.key_states(array['pgtap_quote'], array['FRESH']);
create table freshness_pgtap.broken (symbol text primary key, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_broken', 'freshness_pgtap.broken', ttl => '1 minute');
end
$$;
drop table freshness_pgtap.broken;
select lives_ok(
    $$ select freshness.watch(array['pgtap_broken', 'pgtap_quote'], array['A', 'A'], 'user:1') $$,
    'a data type whose table is gone leaves the others alone'
);

select * from finish();
rollback;
