-- The budget side of a claim: opened before it chooses, charged with what it chose. The row of the source stays locked
-- until the claim commits.
create function freshness.open_source(p_source text)
returns table (calls integer, bytes bigint)
language plpgsql
rows 1
set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
declare
    v_source freshness.sources;
begin
    select * into v_source from freshness.sources as s where s.name = p_source for no key update;
    if not found then
        return query select null::integer, null::bigint;
        return;
    end if;
    perform from (
        select min(c.spent_at) as oldest, max(c.spent_at) as newest
        from freshness.spent_calls as c
        where c.source = p_source
    ) as c
    where c.oldest < clock_timestamp() - interval '90 seconds' or c.newest > clock_timestamp() + interval '1 second';
    if found then
        perform freshness.fold_spent_calls(p_source);
    end if;
    return query select a.calls, a.bytes from freshness.allowance(v_source) as a;
end
$$;

comment on function freshness.open_source(text) is
    'Locks a source and returns the calls and bytes that may be claimed now; null: no limit.';

create function freshness.charge_source(p_source text, p_calls integer, p_is_short boolean)
returns void
language plpgsql
set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
declare
    v_source freshness.sources;
    v_now timestamptz := clock_timestamp();
begin
    update freshness.sources as s
    set
        tokens = freshness.tokens(s, v_now) - p_calls,
        tokens_at = v_now,
        short_since = case when p_is_short then coalesce(s.short_since, v_now) end,
        opens_at = null
    where s.name = p_source and (p_calls > 0 or p_is_short or s.short_since is not null)
    returning s.* into v_source;
    if p_is_short then
        update freshness.sources as s
        -- Something is allowed, but not as much as the next job costs: soon again.
        set opens_at = coalesce(
            (select a.opens_at from freshness.allowance(v_source) as a), v_now + interval '250 milliseconds'
        )
        where s.name = p_source;
    end if;
end
$$;

comment on function freshness.charge_source(text, integer, boolean) is
    'Takes the calls of a claim from the even pace, and writes down whether due jobs are left waiting for the budget,'
    ' and until when.';
