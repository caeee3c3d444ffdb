-- Triggers on the data tables: a key whose deadline came earlier (older rows written over newer ones, rows deleted or
-- renamed, a shorter ttl) goes to the inbox. Rows that became fresher cost one index probe: the claim looks before it
-- fetches. They lock no job and never fail the writer's statement.

create function freshness.pull_changed_keys(p_data_type text, p_symbols text[])
returns void
language plpgsql
set search_path = ''
as $$
begin
    insert into freshness.pulls (data_type, symbol, reason)
    select p_data_type, j.symbol, 'data changed'
    from freshness.jobs as j
    cross join lateral freshness.look(p_data_type, array[j.symbol]) as l
    where
        j.data_type = p_data_type
        and j.symbol = any (p_symbols)
        and j.unwatched_at is null
        and (j.state = 'running' or j.run_at > clock_timestamp())
        and coalesce(l.refresh_at, '-infinity')
        < case when j.state = 'running' then clock_timestamp() else j.run_at end;
    if found then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
end
$$;

comment on function freshness.pull_changed_keys(text, text[]) is
    'Leaves a pull for each of these keys whose job waits for a later moment than the stored rows call for now.';

create function public.check_staleness_on_update()
returns trigger
language plpgsql
security definer
set jit = off
set plan_cache_mode = force_generic_plan
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
    v_type record;
    v_symbols text[];
begin
    -- The finish of a refresh writes rows too, and sets its job's deadline itself.
    if current_setting('freshness.storing', true) = 'on' then
        return null;
    end if;
    for v_type in
        select t.name, t.symbol_column
        from freshness.data_types as t
        where t.data_table in (tg_relid, pg_catalog.pg_partition_root(tg_relid))
    loop
        if v_type.symbol_column is null then
            v_symbols := array['GLOBAL'];
        elsif tg_level = 'ROW' then
            v_symbols := array[to_jsonb(old) ->> v_type.symbol_column, to_jsonb(new) ->> v_type.symbol_column];
        else
            execute format(
                case tg_op
                    when 'INSERT' then 'select array(select %1$I::text from new_rows)'
                    when 'DELETE' then 'select array(select %1$I::text from old_rows)'
                    else 'select array(select %1$I::text from old_rows union select %1$I::text from new_rows)'
                end,
                v_type.symbol_column
            ) into v_symbols;
        end if;
        perform freshness.pull_changed_keys(v_type.name, v_symbols);
    end loop;
    return null;
exception
    when others then
        raise warning 'freshness: a change of table % was not noticed: %', tg_relid::regclass, sqlerrm;
        return null;
end
$$;

comment on function public.check_staleness_on_update() is
    'Trigger function for data tables, after insert, update or delete. For each statement (as register_data_type'
    ' attaches it, with transition tables old_rows and new_rows) or for each row. Queues keys whose deadline came'
    ' earlier.';
