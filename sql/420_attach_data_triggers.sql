-- Triggers on the data tables: a key whose deadline came earlier (older rows written over newer ones, rows deleted or
-- renamed, a shorter ttl) goes to the inbox. Rows that became fresher end with one pass over them: the claim looks
-- before it fetches. They lock no job and never fail the writer's statement.
create function freshness.attach_data_triggers(p_data_type text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    v_table regclass := (select t.data_table from freshness.data_types as t where t.name = p_data_type);
    v_event record;
begin
    for v_event in
        select *
        from (
            values
            ('insert', 'referencing new table as new_rows'),
            ('update', 'referencing old table as old_rows new table as new_rows'),
            ('delete', 'referencing old table as old_rows'),
            ('truncate', '')
        ) as e (name, transition)
    loop
        execute format(
            'create or replace trigger %I after %s on %s %s for each statement execute function freshness.%I()',
            'freshness_' || v_event.name || '_' || p_data_type, v_event.name, v_table, v_event.transition,
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
set search_path = ''
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
