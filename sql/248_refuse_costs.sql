-- What can never be allowed would wait for ever, and whatever comes after it in its source as well.
create function freshness.refuse_costs(p_source text, p_calls integer)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_most integer := (
        select least(s.calls_per_minute, s.burst, s.calls_in_flight) from freshness.sources as s where s.name = p_source
    );
begin
    if p_calls > v_most then
        raise exception using errcode = 'FR002',
            message = format('a refresh makes %s calls, and source %s allows %s at most', p_calls, p_source, v_most),
            hint = 'Pass calls_per_refresh within calls_per_minute, burst and calls_in_flight of the source.';
    end if;
end
$$;

comment on function freshness.refuse_costs(text, integer) is
    'Raises FR002 for a refresh that makes more calls than one of its source''s limits allows.';
