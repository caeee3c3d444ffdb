create function freshness.differing_keys(p_data_type text)
returns text[]
language plpgsql
stable
set search_path = ''
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_differing text[];
    v_waiting text[];
begin
    -- Only of a key that waits for a later moment must the stored rows be looked at: one that is due is looked at by
    -- the claim. Keys in the inbox are left to the next fold.
    select
        array_agg(k.symbol) filter (where k.differs),
        array_agg(k.symbol) filter (where k.waits and not k.differs)
    into v_differing, v_waiting
    from (
        select
            coalesce(w.symbol, j.symbol) as symbol,
            j.state <> 'running' and j.unwatched_at is null and j.run_at > v_now as waits,
            case
                when j.symbol is null then true
                when j.viewers <> coalesce(w.viewers, 0) then true
                when j.state = 'running' then false
                when w.viewers is null and j.requested_at is null and j.required_as_of is null then
                    j.unwatched_at is null or j.unwatched_at > v_now or j.run_at > j.unwatched_at + t.keep_warm
                else j.unwatched_at is not null or (j.required_as_of is not null and j.run_at > v_now)
            end as differs
        from (
            select w.symbol, count(*)::integer as viewers
            from freshness.watches as w
            where w.data_type = p_data_type
            group by w.symbol
        ) as w
        full join (select * from freshness.jobs as j where j.data_type = p_data_type) as j on j.symbol = w.symbol
        join freshness.data_types as t on t.name = p_data_type
        where coalesce(w.symbol, j.symbol) not in (
            select p.symbol from freshness.pulls as p where p.data_type = p_data_type and p.symbol is not null
        )
    ) as k;

    if v_waiting is not null then
        v_differing := v_differing || array(
            select j.symbol
            from freshness.look(p_data_type, v_waiting) as l
            join freshness.jobs as j on j.data_type = p_data_type and j.symbol = l.symbol
            where l.problem is null and j.run_at > v_now and j.run_at > coalesce(l.refresh_at, v_now)
        );
    end if;
    return array(select s from unnest(v_differing) as s order by s);
end
$$;

comment on function freshness.differing_keys(text) is
    'Keys of a data type, in order, whose job is not what its watches and stored rows call for.';
