create function freshness.retry(p_data_type text, p_symbol text)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.jobs as j
    set
        state = 'scheduled', attempts = 0, not_before = null, last_error = null,
        run_at = least(j.run_at, clock_timestamp()), requested_at = clock_timestamp()
    where
        j.data_type = p_data_type and j.state <> 'running'
        and j.symbol in (select c.symbol from freshness.canonical_symbols(p_data_type, array[p_symbol]) as c);
    if found then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
    return found;
end
$$;

comment on function freshness.retry(text, text) is
    'Releases a key that is set aside or held back after failing: it is due now, with its attempts counted anew.'
    ' False when it has no job, or is running.';

create function freshness.retry(p_data_type text)
returns bigint
language plpgsql
set search_path = pg_temp
as $$
declare
    v_released bigint;
begin
    if not exists (select from freshness.data_types as t where t.name = p_data_type) then
        raise exception using errcode = 'FR001', message = format('data type %s is not registered', p_data_type),
            hint = 'freshness.register_data_type adds one; freshness.data_types has those that are there.';
    end if;
    -- In order, as everybody who changes several jobs and waits for them.
    with held as materialized (
        select j.symbol
        from freshness.jobs as j
        where
            j.data_type = p_data_type and j.state <> 'running' and j.not_before > clock_timestamp()
            and (j.state = 'failed' or j.last_error is not null)
        order by j.symbol
        for update
    )

    update freshness.jobs as j
    set
        state = 'scheduled', attempts = 0, not_before = null, last_error = null,
        run_at = least(j.run_at, clock_timestamp())
    from held as h where j.data_type = p_data_type and j.symbol = h.symbol;
    get diagnostics v_released = row_count;
    if v_released > 0 then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
    return v_released;
end
$$;

comment on function freshness.retry(text) is
    'Releases all keys of a data type that are set aside or held back, and returns how many. FR001: not registered.';
