-- What most refreshes bring, stored for many keys at once: rows of their own symbols, newer than the stored ones, for a
-- table that is upserted. All else is stored key by key.
create function freshness.store_together(
    p_type freshness.data_types, p_jobs freshness.jobs[], p_answers freshness.stored_answer[]
)
returns boolean[]
language plpgsql
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
set timezone = 'UTC'
as $$
declare
    v_stored boolean[] := array_fill(false, array[cardinality(p_jobs)]);
    v_group record;
    v_number integer;
begin
    if
        cardinality(p_jobs) < 2 or p_type.write_mode <> 'upsert' or p_type.symbol_column is null
        or not exists (
            -- Of another type, the timestamp that is stored is not always the one that was given.
            select from pg_catalog.pg_attribute as a
            where
                a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column
                and a.atttypid = 'timestamptz'::regtype and a.atttypmod = -1
        )
    then
        return v_stored;
    end if;

    for v_group in
        with given as materialized (
            select
                e.ordinality::integer as number, e.symbol, e.stored_at, e.started_at, r.ordinality as place,
                jsonb_typeof(r.value) = 'object'
                and coalesce(r.value ->> p_type.symbol_column, e.symbol) = e.symbol as is_plain,
                coalesce((r.value ->> p_type.timestamp_column)::timestamptz, e.started_at) as moment,
                r.value || jsonb_build_object(
                    p_type.symbol_column, e.symbol,
                    p_type.timestamp_column, coalesce(
                        nullif(r.value -> p_type.timestamp_column, 'null'), to_jsonb(e.started_at)
                    )
                ) as content
            from unnest(p_jobs, p_answers) with ordinality as e
            cross join lateral jsonb_array_elements(
                case jsonb_typeof(e.rows) when 'array' then e.rows end
            ) with ordinality as r (value, ordinality)
        ),

        keys as materialized (
            select g.number, g.symbol, g.stored_at, g.started_at, max(g.moment) as newest, min(c.names) as names
            from given as g
            cross join lateral (
                select array_agg(n.name order by n.name) as names
                from jsonb_object_keys(case when g.is_plain then g.content end) as n (name)
            ) as c
            group by g.number, g.symbol, g.stored_at, g.started_at
            having bool_and(g.is_plain) and min(c.names) = max(c.names)
        ),

        plain as materialized (
            select k.number, k.names
            from keys as k
            left join freshness.look(p_type.name, array(select a.symbol from keys as a)) as l on l.symbol = k.symbol
            where
                (k.stored_at is null or k.newest >= least(k.stored_at, k.started_at))
                and k.newest is distinct from k.stored_at
                and (k.newest < l.stored_at and l.stored_at <= clock_timestamp()) is not true
        )

        select jsonb_agg(g.content order by g.symbol, g.place) as rows, array_agg(distinct g.number) as numbers
        from plain as p
        join given as g on g.number = p.number
        group by p.names
    loop
        perform set_config('freshness.storing', 'on', true);
        perform freshness.write_rows(p_type, null, v_group.rows);
        perform set_config('freshness.storing', '', true);
        foreach v_number in array v_group.numbers loop
            v_stored[v_number] := true;
        end loop;
    end loop;
    return v_stored;
end
$$;

comment on function freshness.store_together is
    'Part of finish: stores the rows of those running jobs that need no closer look, by one statement for all that name'
    ' the same columns, and says which they are: their refreshes ended fresh. The others are left to store_answer.';
