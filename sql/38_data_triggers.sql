-- Triggers on the data tables: a key whose deadline came earlier (older rows written over newer ones, rows deleted or
-- renamed, a shorter ttl) goes to the inbox. Rows that became fresher end with one pass over them: the claim looks
-- before it fetches. They lock no job and never fail the writer's statement.
create function public.check_staleness_on_update()
returns trigger
language plpgsql
security definer
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
    v_type freshness.data_types;
    v_now timestamptz := clock_timestamp();
    v_old text := 'old_rows';
    v_new text := 'new_rows';
    v_is_earlier boolean;
    v_symbols text[];
    v_newest timestamptz[];
begin
    -- The finish of a refresh writes rows too, and sets its job's deadline itself.
    if current_setting('freshness.storing', true) = 'on' then
        return null;
    end if;
    if tg_level = 'ROW' then
        v_old := format('(select ($4::%s).*)', tg_relid::regclass);
        v_new := format('(select ($5::%s).*)', tg_relid::regclass);
    end if;

    for v_type in
        select t.*
        from freshness.data_types as t
        -- Ordered as the primary key is: one probe of it, whatever the planner takes the table to be.
        cross join lateral (
            select from freshness.jobs as j where j.data_type = t.name order by j.symbol limit 1
        ) as used
        where t.data_table in (tg_relid, pg_catalog.pg_partition_root(tg_relid))
    loop
        if tg_op = 'TRUNCATE' then
            insert into freshness.pulls (data_type, reason) values (v_type.name, 'truncated');
            perform freshness.wake(v_type.name, v_now);
            continue;
        end if;
        execute freshness.may_be_earlier(v_type, tg_op, v_old, v_new) into v_is_earlier
            using v_now + least(v_type.ttl, interval '1 minute'), v_now, v_type.ttl, old, new;
        if v_is_earlier then
            execute freshness.earlier_keys(v_type, tg_op, v_old, v_new) into v_symbols, v_newest
                using v_now + least(v_type.ttl, interval '1 minute'), v_now, v_type.ttl, old, new;
            perform freshness.pull_changed_keys(v_type.name, v_symbols, v_newest);
        end if;
    end loop;
    return null;
exception
    when others then
        raise warning 'freshness: a change of table % was not noticed: %', tg_relid::regclass, sqlerrm;
        return null;
end
$$;

comment on function public.check_staleness_on_update() is
    'Trigger function for data tables, after insert, update, delete or truncate. For each statement (as'
    ' register_data_type attaches it, with transition tables old_rows and new_rows) or for each row. Queues keys whose'
    ' deadline came earlier.';
