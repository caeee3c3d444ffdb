-- A claim is made for many: it takes most of its time to prepare work on sets, and to call what has nothing to do. So
-- one job goes by a short way. What is not plain is left to the claim: more than one is due, or none, something is in
-- the inbox, a worker died, the source has a budget, or the job is not to be fetched.
create function freshness.claim_one_body()
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return format($body$
#variable_conflict use_column
<<k>>
declare
    v_horizon timestamptz := clock_timestamp() + p_lead;
    v_places tid[];
    v_moments timestamptz[];
    v_has_sources boolean;
    v_others_run boolean;
    t record;
    symbol text;
    v_now timestamptz;
    v_stored_at timestamptz;
    v_fresh_until timestamptz;
    v_refresh_at timestamptz;
    v_due_at timestamptz;
    v_viewers integer;
    v_claimed record;
begin
    v_others_run := exists (select from freshness.jobs as j where j.state = 'running' and j.worker < p_worker)
        or exists (select from freshness.jobs as j where j.state = 'running' and j.worker > p_worker);
    if (select min(p.due_at) from freshness.pulls as p) <= clock_timestamp() or (v_others_run and freshness.somebody_died()) then
        return;
    end if;

    select array_agg(d.ctid order by d.due_at), array_agg(d.due_at order by d.due_at), bool_or(t.source is not null)
    into v_places, v_moments, v_has_sources
    from freshness.data_types as t
    cross join generate_series(9, 0, -1) as class (priority)
    cross join lateral (
        select j.ctid, j.due_at
        from freshness.jobs as j
        where j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
        order by j.due_at
        limit 2
    ) as d
    where t.name = any (p_data_types);
    if v_moments[1] > v_horizon or v_moments[2] <= v_horizon then
        return;
    end if;

    select
        j.data_type, j.symbol, j.due_at, j.requested_at, j.required_as_of, j.stored_at, j.verified_at,
        s.ttl, s.refresh_ahead, s.jitter,
        s.source is not null or s.data_table::text <> s.look_reads as is_special
    into t
    from freshness.jobs as j
    join freshness.data_types as s on s.name = j.data_type
    where j.ctid = v_places[1] and j.state = 'scheduled' and j.due_at <= v_horizon
    for update of j skip locked;
    if not found or t.is_special then
        return;
    end if;
    k.symbol := t.symbol;

    begin%s
    exception
        when others or assert_failure then
            return;
    end;
    if
        t.required_as_of is null
        and ((v_viewers = 0 and t.requested_at is null) or v_refresh_at > v_horizon)
    then
        return;
    end if;

    update freshness.workers as w set seen_at = v_now
    where w.id = p_worker and w.seen_at <= v_now + interval '1 second';
    if not found then
        return;
    end if;
    v_due_at := greatest(t.due_at, case when t.required_as_of is null then v_refresh_at end);
    update freshness.jobs as j
    set
        state = 'running', run_at = 'infinity', worker = p_worker, fence = nextval('freshness.fences'),
        started_at = clock_timestamp(), waited = greatest(date_part('epoch', clock_timestamp() - v_due_at), 0),
        calls = 0, unwatched_at = null, viewers = v_viewers, stored_at = v_stored_at, fresh_until = v_fresh_until,
        verified_at = case
            when coalesce(v_stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity') then j.verified_at
        end
    where j.ctid = v_places[1]
    returning j.fence, j.started_at, j.attempts, j.waited, j.alone,
        case when j.verified_at is not null then j.validators end as validators
    into v_claimed;
    if exists (
        select from freshness.listeners as l
        where l.data_type = t.data_type and l.symbol = k.symbol and l.is_told_of_starts
    ) then
        insert into freshness.events (kind, data_type, symbol, worker, fence, waited)
        values ('refreshing', t.data_type, k.symbol, p_worker, v_claimed.fence, v_claimed.waited);
    end if;
    if exists (select from freshness.sleepers as s where s.worker <> p_worker) then
        perform freshness.call_understudy(p_worker, p_data_types);
    end if;
    return query select
        t.data_type, k.symbol, v_claimed.fence, v_claimed.started_at, v_stored_at, v_claimed.attempts, v_due_at,
        v_claimed.validators, v_claimed.alone,
        case when v_has_sources or v_others_run then freshness.next_moment(p_worker, p_data_types) else v_moments[2] end;
end
$body$, freshness.looks_at_one());
end
$define$;

comment on function freshness.claim_one_body() is
    'PL/pgSQL of freshness.claim_one for the data types that are registered.';
