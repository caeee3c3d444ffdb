create function freshness.backoff(p_attempts integer)
returns interval
language sql
volatile
set search_path = ''
as $$
    select interval '1 second' * least(power(2, least(p_attempts, 20) - 1), 300) * (0.5 + random() / 2)
$$;

comment on function freshness.backoff(integer) is
    'Wait after the given number of failures in a row: 1 s, doubling, at most 5 minutes, of which a random half to'
    ' all.';
