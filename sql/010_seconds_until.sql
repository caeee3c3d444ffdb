create function freshness.seconds_until(p_moment timestamptz)
returns double precision
language sql
volatile
set search_path = ''
as $$
    select extract(epoch from p_moment - clock_timestamp())::double precision where isfinite(p_moment)
$$;

comment on function freshness.seconds_until(timestamptz) is
    'Seconds from now by the database''s clock, negative when past; null for null and for never (infinity).';
