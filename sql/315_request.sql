create function freshness.request(
    p_data_type text,
    p_symbols text[],
    p_refresh_now boolean default false,
    p_priority integer default null,
    p_estimated_size_bytes bigint default null
)
returns table (symbol text, queued boolean)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_type freshness.data_types;
    v_now timestamptz := clock_timestamp();
    v_priority smallint;
    v_symbol text;
    v_changed integer := 0;
begin
    select * into v_type from freshness.data_types as t where t.name = p_data_type;
    if not found then
        raise exception using
            errcode = 'FR001',
            message = format('data type %s is not registered', coalesce(quote_literal(p_data_type), 'null')),
            hint = 'Register it with freshness.register_data_type.';
    end if;
    v_priority := least(greatest(coalesce(p_priority, v_type.priority), 0), 9);

    for v_symbol in
        with wanted as materialized (
            select l.symbol, l.stored_at, l.fresh_until
            from freshness.look(
                p_data_type,
                array(
                    select distinct c.symbol
                    from freshness.canonical_symbols(p_data_type, p_symbols) as c
                    where c.symbol is not null
                )
            ) as l
            where p_refresh_now or l.refresh_at is null or l.refresh_at <= v_now
        ),

        changed as (
            insert into freshness.jobs as j (
                data_type, symbol, priority, run_at, requested_at, required_as_of,
                stored_at, fresh_until, estimated_size_bytes
            )
            select
                p_data_type, w.symbol, v_priority, v_now, v_now, case when p_refresh_now then v_now end,
                w.stored_at, w.fresh_until, coalesce(p_estimated_size_bytes, v_type.estimated_size_bytes)
            from wanted as w
            order by w.symbol
            on conflict (data_type, symbol) do update set
                run_at = case when j.state = 'running' then j.run_at else least(j.run_at, excluded.run_at) end,
                requested_at = excluded.requested_at,
                -- Read here, with the row locked: later than the start of any fetch that is under way.
                required_as_of = case when p_refresh_now then clock_timestamp() else j.required_as_of end,
                priority = greatest(j.priority, excluded.priority),
                unwatched_at = null,
                -- As just seen. Validators are those of rows that are still stored.
                stored_at = case when j.state = 'running' then j.stored_at else excluded.stored_at end,
                fresh_until = case when j.state = 'running' then j.fresh_until else excluded.fresh_until end,
                verified_at = case
                    when
                        j.state = 'running'
                        or coalesce(excluded.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity')
                        then j.verified_at
                end
            where
                p_refresh_now
                or j.requested_at is null
                or j.priority < excluded.priority
                or (j.state <> 'running' and j.run_at > excluded.run_at)
            returning j.symbol
        )

        select c.symbol from changed as c
    loop
        v_changed := v_changed + 1;
        symbol := v_symbol;
        queued := true;
        return next;
    end loop;

    if v_changed > 0 then
        perform freshness.tell_queued(p_data_type, p_symbols, v_now);
        if v_changed = 1 and cardinality(p_symbols) = 1 then
            perform freshness.hand_over(p_data_type, v_symbol);
        else
            perform freshness.wake(p_data_type, v_now);
        end if;
    end if;
end
$$;

comment on function freshness.request(text, text[], boolean, integer, bigint) is
    'Asks for keys of one data type. p_refresh_now false: "make sure it is fresh"; nothing happens to fresh keys, and a'
    ' fetch in flight satisfies it. True: "refresh now"; only a fetch begun after this commits does. p_priority 0 to 9.'
    ' Returns the keys whose job was made or moved; backoff is not shortened. FR001: data type not registered.';
