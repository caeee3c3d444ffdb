-- For triggers that somebody attaches by hand, on any data table and for each row or each statement: it finds out on
-- each call what the triggers that registration attaches have written into their function.
create function public.check_staleness_on_update()
returns trigger
language plpgsql
security definer
set search_path = pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set lock_timeout = '100ms'
as $$
declare
    v_type freshness.data_types;
    v_old text := 'old_rows';
    v_new text := 'new_rows';
    v_symbols text[];
    v_newest timestamptz[];
begin
    -- The finish of a refresh writes rows too, and sets its job's deadline itself.
    if current_setting('freshness.storing', true) = 'on' then
        return null;
    end if;
    if tg_level = 'ROW' then
        v_old := format('(select ($2::%s).*)', tg_relid::regclass);
        v_new := format('(select ($3::%s).*)', tg_relid::regclass);
    end if;

    for v_type in
        select t.* from freshness.data_types as t
        where t.data_table in (tg_relid, pg_catalog.pg_partition_root(tg_relid)) and freshness.is_used(t.name)
    loop
        if tg_op = 'TRUNCATE' then
            perform freshness.pull_all_rows(v_type.name);
            continue;
        end if;
        execute freshness.earlier_keys(v_type, tg_op, v_old, v_new) into v_symbols, v_newest
            using clock_timestamp() + least(v_type.ttl, interval '1 minute'), old, new;
        perform freshness.pull_changed_keys(v_type.name, v_symbols, v_newest);
    end loop;
    return null;
exception
    when others or assert_failure then
        raise warning 'freshness: a change of table % was not noticed: %', tg_relid::regclass, sqlerrm;
        return null;
end
$$;

comment on function public.check_staleness_on_update() is
    'Trigger function for data tables, after insert, update, delete or truncate, for each row or for each statement'
    ' (with transition tables old_rows and new_rows). Queues keys whose deadline came earlier. Registration attaches'
    ' faster ones, unless it is told not to.';
