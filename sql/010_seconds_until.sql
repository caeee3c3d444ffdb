create function freshness.seconds_until(p_moment timestamptz)
returns double precision
language plpgsql
volatile
set search_path = pg_temp
as $$
begin
    return case when isfinite(p_moment) then extract(epoch from p_moment - clock_timestamp())::double precision end;
end
$$;

comment on function freshness.seconds_until(timestamptz) is
    'Seconds from now by the database''s clock, negative when past; null for null and for never (infinity).';
