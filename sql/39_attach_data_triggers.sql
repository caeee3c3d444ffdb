create function freshness.attach_data_triggers(p_table regclass)
returns void
language plpgsql
set search_path = ''
as $$
begin
    execute format(
        'create or replace trigger freshness_after_insert after insert on %1$s referencing new table as new_rows'
        ' for each statement execute function public.check_staleness_on_update();'
        'create or replace trigger freshness_after_update after update on %1$s'
        ' referencing old table as old_rows new table as new_rows'
        ' for each statement execute function public.check_staleness_on_update();'
        'create or replace trigger freshness_after_delete after delete on %1$s referencing old table as old_rows'
        ' for each statement execute function public.check_staleness_on_update();'
        'create or replace trigger freshness_after_truncate after truncate on %1$s'
        ' for each statement execute function public.check_staleness_on_update()',
        p_table
    );
end
$$;

comment on function freshness.attach_data_triggers(regclass) is
    'Attaches check_staleness_on_update to a data table, for each statement.';

create function freshness.detach_data_triggers(p_table regclass)
returns void
language plpgsql
set search_path = ''
-- On hosted Supabase a DROP TRIGGER locks other tables too for a moment; rather fail than hold them up.
set lock_timeout = '2s'
as $$
declare
    v_trigger name;
begin
    for v_trigger in
        select t.tgname
        from pg_catalog.pg_trigger as t
        where
            t.tgrelid = p_table
            and t.tgname in (
                'freshness_after_insert', 'freshness_after_update', 'freshness_after_delete', 'freshness_after_truncate'
            )
            and not exists (select from freshness.data_types as d where d.data_table = p_table)
    loop
        execute format('drop trigger %I on %s', v_trigger, p_table);
    end loop;
end
$$;

comment on function freshness.detach_data_triggers(regclass) is
    'Removes our triggers from a table that no data type uses any more.';
