begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('A', 1, now() - interval '1 hour'), ('B', 1, now() - interval '1 hour');
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
do $$
begin
    perform freshness.request('pgtap_quote', array['A', 'B'], true);
    perform freshness.claim(w.id, array['pgtap_quote'], 10) from freshness_pgtap.worker as w;
end
$$;
create table freshness_pgtap.ended as
select e.*
from unnest((
    select freshness.move_ended(
        t, array_agg(j.ctid order by j.symbol), array_agg(j order by j.symbol),
        array[
            row('[]', null, 7, 3, 'fresh', null, null)::freshness.stored_answer,
            row('[]', null, null, null, 'stale', now() + interval '5 minutes', 'too old')::freshness.stored_answer
        ]
    )
    from freshness.jobs as j
    join freshness.data_types as t on t.name = j.data_type
    where j.data_type = 'pgtap_quote'
    group by t
)) as e;
select results_eq(
    'select outcome from freshness_pgtap.ended order by 1', array['fresh', 'stale'], 'each is told how it ended'
);
select ok(
    state = 'scheduled' and fence is null and worker is null and verified_at is not null and calls = 0
    and estimated_size_bytes = 7,
    'a job waits for its next deadline, with what its refresh took'
)
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'A';
select ok(
    state = 'scheduled' and verified_at is null and not_before = now() + interval '5 minutes'
    and last_error = 'too old',
    'rows that are stale have verified nothing, and hold their job back'
)
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'B';
select results_eq(
    $$
    select kind, symbol, message from freshness.events
    where data_type = 'pgtap_quote' and kind <> 'refreshing' order by 2
    $$,
    $$ values ('fresh', 'A', null), ('stale', 'B', 'too old') $$, 'both ends are on record'
);

select * from finish();
rollback;
