begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

-- What a job may be when it is due. Each is claimed by the short way as one of pgtap_one, and by the long way as one of
-- pgtap_many.
create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
insert into freshness_pgtap.quotes values
('FRESH', 1, now()), ('STALE', 1, now() - interval '2 minutes'), ('LEFT', 1, now() - interval '2 minutes');
do $$
begin
    perform freshness.register_data_type('pgtap_one', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_many', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
create table freshness_pgtap.cases as
select
    row_number() over () as number, k.symbol, f.requested_at, f.required_as_of, f.unwatched_at, f.attempts,
    f.not_before, v.verified_at, v.stored_at
from unnest(array['FRESH', 'STALE', 'MISSING', 'LEFT']) as k (symbol)
cross join (values
    (null::timestamptz, null::timestamptz, null::timestamptz, 0, null::timestamptz),
    (now(), null, null, 2, now() - interval '1 second'),
    (now(), now(), null, 0, null),
    (null, null, now() - interval '5 seconds', 1, null),
    (null, null, now() - interval '5 minutes', 0, null)
) as f (requested_at, required_as_of, unwatched_at, attempts, not_before)
cross join (values
    (null::timestamptz, null::timestamptz),
    (now() - interval '30 seconds', now() - interval '2 minutes'),
    (now() - interval '30 seconds', now() + interval '1 second')
) as v (verified_at, stored_at);
create table freshness_pgtap.tried (number bigint, data_type text, claimed jsonb, before jsonb, job jsonb);

create function freshness_pgtap.job(p_data_type text) returns jsonb
language sql as $$ select to_jsonb(j) from freshness.jobs as j where j.data_type = p_data_type $$;
create function freshness_pgtap.try(p_case freshness_pgtap.cases, p_data_type text) returns void
language plpgsql as $$
declare
    v_before jsonb;
    v_claimed jsonb;
    v_worker bigint := (select id from freshness_pgtap.worker);
begin
    delete from freshness.jobs;
    insert into freshness.jobs (
        data_type, symbol, run_at, requested_at, required_as_of, unwatched_at, attempts, not_before, verified_at,
        stored_at, last_error, validators
    ) values (
        p_data_type, p_case.symbol, now() - interval '9 seconds', p_case.requested_at, p_case.required_as_of,
        p_case.unwatched_at, p_case.attempts, p_case.not_before, p_case.verified_at, p_case.stored_at, 'x', '{"a": "b"}'
    );
    v_before := freshness_pgtap.job(p_data_type);
    if p_data_type = 'pgtap_one' then
        select to_jsonb(c) - 'next_moment' into v_claimed
        from freshness.claim_one(v_worker, array[p_data_type], '0') as c;
    else
        select to_jsonb(c) into v_claimed from freshness.claim(v_worker, array[p_data_type], 10) as c;
    end if;
    insert into freshness_pgtap.tried
    values (p_case.number, p_data_type, v_claimed, v_before, freshness_pgtap.job(p_data_type));
end
$$;
do $$
declare
    v_case freshness_pgtap.cases;
begin
    insert into freshness.watches (data_type, symbol, watcher, lease_until)
    select t, c.symbol, 'user:1', now() + interval '1 hour'
    from unnest(array['pgtap_one', 'pgtap_many']) as t
    cross join unnest(array['FRESH', 'STALE', 'MISSING']) as c (symbol);
    delete from freshness.pulls;
    for v_case in select * from freshness_pgtap.cases loop
        perform freshness_pgtap.try(v_case, 'pgtap_one');
        perform freshness_pgtap.try(v_case, 'pgtap_many');
    end loop;
end
$$;
create view freshness_pgtap.pairs as
select
    o.number, o.claimed as one_claimed, m.claimed as many_claimed, o.before, o.job as one,
    o.job - '{data_type,fence,started_at,waited}'::text[] as one_job,
    m.job - '{data_type,fence,started_at,waited}'::text[] as many_job
from freshness_pgtap.tried as o
join freshness_pgtap.tried as m on m.number = o.number and m.data_type = 'pgtap_many'
where o.data_type = 'pgtap_one';

select is_empty(
    $$
    select number, one_claimed, many_claimed from freshness_pgtap.pairs
    where (one_claimed is null) <> (many_claimed is null)
    $$, 'one way claims what the other claims'
);
select is_empty(
    $$ select number, one_job, many_job from freshness_pgtap.pairs where one_claimed is not null and one_job <> many_job $$,
    'and leaves the same job'
);
select is_empty(
    $$
    select number, one_claimed, many_claimed from freshness_pgtap.pairs
    where one_claimed is not null and (
        one_claimed - '{data_type,fence,started_at}'::text[] <> many_claimed - '{data_type,fence,started_at}'::text[]
        or (one -> 'fence', one -> 'started_at') is distinct from (one_claimed -> 'fence', one_claimed -> 'started_at')
    )
    $$, 'and says the same of it'
);
select is_empty(
    $$ select number from freshness_pgtap.pairs where one_claimed is null and one is distinct from before $$,
    'what the short way leaves to the other is as it was'
);
select ok(count(one_claimed) > 15 and count(*) - count(one_claimed) > 15, 'both have been tried')
from freshness_pgtap.pairs;

select * from finish();
rollback;
