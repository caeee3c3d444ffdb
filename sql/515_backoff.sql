-- Waits between attempts. Part of each is random, so that keys that failed together do not come back together.

create function freshness.backoff(p_attempts integer, p_first interval, p_longest interval)
returns interval
language plpgsql
volatile
set search_path = pg_temp
as $$
begin
    return least(p_first * power(2, least(p_attempts, 20) - 1), p_longest) * (0.5 + random() / 2);
end
$$;

comment on function freshness.backoff(integer, interval, interval) is
    'Wait after the given number of failures in a row: p_first, doubling, at most p_longest, of which a random half to'
    ' all.';

create function freshness.stale_wait(p_type freshness.data_types, p_stale_since timestamptz)
returns interval
language plpgsql
volatile
set search_path = pg_temp
as $$
begin
    return least(
        greatest(clock_timestamp() - p_stale_since, p_type.ttl / 16, p_type.backoff_first),
        greatest(p_type.ttl, p_type.backoff_longest)
    ) * (0.5 + random() / 2);
end
$$;

comment on function freshness.stale_wait(freshness.data_types, timestamptz) is
    'Wait after a source answered with nothing newer than rows that are stale: as long as they have been so, which'
    ' doubles by itself, from a sixteenth of the ttl to the whole, or to backoff_longest if that is longer.';
