-- Triggers on the data tables: a key whose deadline came earlier (older rows written over newer ones, rows deleted or
-- renamed, a shorter ttl) goes to the inbox. Rows that became fresher end with one pass over them: the claim looks
-- before it fetches. They lock no job and never fail the writer's statement.
create function freshness.attach_data_triggers(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_type freshness.data_types;
    v_event record;
begin
    select * into strict v_type from freshness.data_types as t where t.name = p_data_type;
    for v_event in
        select *
        from (
            values
            ('insert', 'referencing new table as new_rows for each statement'),
            (
                'update',
                coalesce(
                    'for each row when (' || freshness.update_condition(v_type) || ')',
                    'referencing old table as old_rows new table as new_rows for each statement'
                )
            ),
            ('delete', 'referencing old table as old_rows for each statement'),
            ('truncate', 'for each statement')
        ) as e (name, manner)
    loop
        execute format(
            'create or replace trigger %I after %s on %s %s execute function freshness.%I()',
            'freshness_' || v_event.name || '_' || p_data_type, v_event.name, v_type.data_table, v_event.manner,
            'changed_' || p_data_type
        );
    end loop;
end
$$;

comment on function freshness.attach_data_triggers(text) is
    'Puts a data type''s triggers on its table, or puts them back: freshness_insert_<name>, and so for update, delete'
    ' and truncate.';

create function freshness.detach_data_triggers(p_data_type text, p_except regclass default null)
returns void
language plpgsql
set search_path = pg_temp
-- On hosted Supabase a DROP TRIGGER locks other tables too for a moment; rather fail than hold them up.
set lock_timeout = '2s'
as $$
declare
    v_trigger record;
begin
    for v_trigger in
        select t.tgname, t.tgrelid::regclass as data_table
        from pg_catalog.pg_trigger as t
        join pg_catalog.pg_proc as f on f.oid = t.tgfoid
        where
            f.pronamespace = 'freshness'::regnamespace and f.proname = 'changed_' || p_data_type
            and t.tgrelid is distinct from p_except
    loop
        execute format('drop trigger %I on %s', v_trigger.tgname, v_trigger.data_table);
    end loop;
end
$$;

comment on function freshness.detach_data_triggers(text, regclass) is
    'Removes a data type''s triggers from all tables but the one given.';

create function freshness.renew_update_trigger(p_old freshness.data_types, p_new freshness.data_types)
returns void
language plpgsql
set search_path = pg_temp
set lock_timeout = '2s'
as $$
begin
    -- The condition of the trigger names what it reads.
    perform freshness.attach_data_triggers(p_new.name)
    where
        (
            p_old.symbol_column, p_old.timestamp_column, p_old.time_zone, p_old.ttl_column, p_old.deadline_function,
            p_old.staleness_function
        ) is distinct from (
            p_new.symbol_column, p_new.timestamp_column, p_new.time_zone, p_new.ttl_column, p_new.deadline_function,
            p_new.staleness_function
        )
        and exists (
            select from pg_catalog.pg_trigger as t
            where t.tgrelid = p_new.data_table and t.tgname = 'freshness_update_' || p_new.name
        );
end
$$;

comment on function freshness.renew_update_trigger(freshness.data_types, freshness.data_types) is
    'Puts a data type''s triggers on its table anew when its registration names other columns, if they are there.';
