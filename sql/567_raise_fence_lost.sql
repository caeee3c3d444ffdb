create function freshness.raise_fence_lost(p_data_type text, p_symbol text, p_fence bigint)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    raise exception using errcode = 'FR003',
        message = format('refresh %s of %s %s is no longer this worker''s', p_fence, p_data_type, p_symbol),
        hint = 'Its heartbeat was late and the job was taken over; drop the result.';
end
$$;

comment on function freshness.raise_fence_lost(text, text, bigint) is 'Raises FR003.';
