-- How many calls a source allows at this moment, and if none, when to ask again.
--
-- Why no 60 seconds at the provider hold more than calls_per_minute: take the call of such a window that was claimed
-- last, at c. The window ends after c, so it begins after c - 60 s, and each other call in it ended later than that: at
-- c it was either running or among the calls spent in the last 60 s, and was counted. Claims of one source wait for
-- each other at its row, so none is missed.
create function freshness.allowance(p_source freshness.sources, p_used freshness.used_calls default null)
returns table (calls integer, bytes bigint, opens_at timestamptz)
language plpgsql
rows 1
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_used freshness.used_calls := coalesce(p_used, freshness.used_calls(p_source.name));
    v_tokens double precision := freshness.tokens(p_source, v_now);
    v_over integer;
begin
    calls := least(
        p_source.calls_per_minute - v_used.calls - v_used.recent,
        floor(v_tokens)::bigint,
        p_source.calls_in_flight - v_used.calls,
        -- After a pause that failures caused, one refresh tries whether the source is back, whatever it costs.
        case
            when p_source.pauses = 0 then null
            when v_used.calls > 0 then 0
            else coalesce(
                (select max(t.calls_per_refresh) from freshness.data_types as t where t.source = p_source.name), 1
            )
        end
    );
    bytes := p_source.bytes_per_30_days - v_used.bytes - v_used.spent - (
        select coalesce(sum(d.bytes), 0)
        from freshness.spent_days as d
        where d.source = p_source.name and d.day > (v_now at time zone 'UTC')::date - 30
    );
    if p_source.paused_until > v_now then
        calls := 0;
        opens_at := p_source.paused_until;
    elsif bytes <= 0 then
        calls := 0;
        -- A day's bytes leave the account at midnight.
        opens_at := date_trunc('day', v_now at time zone 'UTC' + interval '1 day') at time zone 'UTC';
    elsif calls <= 0 then
        v_over := v_used.calls + v_used.recent - p_source.calls_per_minute;
        opens_at := greatest(
            -- The call whose leaving makes room; none: one that runs has to end, which its worker notices first.
            case when v_over >= 0 then coalesce(
                (
                    select min(c.spent_at) + interval '60 seconds'
                    from (
                        select o.spent_at, sum(o.calls) over (order by o.spent_at) as freed
                        from freshness.spent_calls as o
                        where o.source = p_source.name and o.spent_at > v_now - interval '60 seconds'
                    ) as c
                    where c.freed > v_over
                ),
                v_now + interval '250 milliseconds'
            ) end,
            case when v_tokens < 1 then
                v_now + make_interval(secs => (1 - v_tokens) * 60 / p_source.calls_per_minute)
            end,
            case when v_used.calls >= p_source.calls_in_flight or p_source.pauses > 0
                then v_now + interval '250 milliseconds'
            end
        );
    end if;
    calls := case when calls < 0 then 0 else calls end;
    return next;
end
$$;

comment on function freshness.allowance(freshness.sources, freshness.used_calls) is
    'Calls and bytes that a source (its row, locked) allows now; null: no limit. opens_at: when to ask again if none.'
    ' p_used: what it has to count, if that is known.';

create function freshness.tokens(p_source freshness.sources, p_now timestamptz)
returns double precision
language plpgsql
immutable
set search_path = pg_temp
as $$
begin
    -- A clock that was set back neither gives nor takes.
    return least(
        p_source.burst,
        coalesce(
            p_source.tokens + greatest(extract(epoch from p_now - p_source.tokens_at)::double precision, 0)
            * p_source.calls_per_minute / 60,
            p_source.burst
        )
    );
end
$$;

comment on function freshness.tokens(freshness.sources, timestamptz) is
    'Calls that may start at p_now without leaving the even pace (a token bucket); null: the source has no burst.';
