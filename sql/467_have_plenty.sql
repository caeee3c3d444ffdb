-- Most sources are far from their limits most of the time: then a claim need not choose by what they allow, and has
-- nothing to write down.
create function freshness.have_plenty(p_sources text[], p_calls integer)
returns boolean
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_name text;
    v_source record;
    v_used freshness.used_calls;
begin
    -- In one order for all: each is locked.
    foreach v_name in array p_sources loop
        select
            s.calls_per_minute, s.calls_in_flight,
            s.burst is not null or s.bytes_per_30_days is not null or s.short_since is not null
            or s.opens_at is not null or s.pauses > 0 or s.paused_until > clock_timestamp() as is_special
        into v_source
        from freshness.sources as s
        where s.name = v_name
        for no key update;
        if found then
            if v_source.is_special then
                return false;
            end if;
            v_used := freshness.used_calls(v_name);
            if v_used.is_untidy then
                perform freshness.tidy_spent_calls(v_name, v_used);
            end if;
            if
                v_source.calls_per_minute - v_used.calls - v_used.recent < p_calls
                or v_source.calls_in_flight - v_used.calls < p_calls
            then
                return false;
            end if;
        end if;
    end loop;
    return true;
end
$$;

comment on function freshness.have_plenty(text[], integer) is
    'Locks sources, given in order, and says whether each of them allows so many calls now, without a pace, bytes or a'
    ' shortage to keep account of. One that is not registered allows any.';
