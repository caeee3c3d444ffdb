-- A start is known by its end: it is on record for those alone who are told of it.
create function freshness.claim_told(
    p_worker bigint, p_data_types text[], p_places tid[], p_sources text[], p_horizon timestamptz
)
returns setof freshness.claimed_job
language plpgsql
rows 10
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_claimed freshness.claimed_job[] := array(
        select c from freshness.claim_plain(p_worker, p_data_types, p_places, p_sources, p_horizon) as c
    );
begin
    insert into freshness.events (kind, data_type, symbol, worker, fence, waited)
    select 'refreshing', j.data_type, j.symbol, j.worker, j.fence, j.waited
    from unnest(v_claimed) as c
    cross join lateral (
        select o.* from freshness.jobs as o where o.data_type = c.data_type and o.symbol = c.symbol limit 1
    ) as j
    where exists (
        select from freshness.listeners as l
        where l.data_type = j.data_type and l.symbol = j.symbol and l.is_told_of_starts
    );
    return query select * from unnest(v_claimed);
end
$$;

comment on function freshness.claim_told(bigint, text[], tid[], text[], timestamptz) is
    'As freshness.claim_plain, when somebody is told of starts.';
