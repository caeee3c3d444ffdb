-- The database belongs to postgres, who may therefore create schemas in it and objects in public.
do $$
begin
    if (select datdba from pg_catalog.pg_database where datname = current_database())
        <> 'postgres'::regrole
    then
        execute format('alter database %I owner to postgres', current_database());
    end if;
end;
$$;

grant usage, create on schema public to postgres;
grant usage on schema public to anon, authenticated, service_role;

-- What postgres or supabase_admin make in public is open to the API roles, as in local Supabase.
do $$
declare
    creator text;
begin
    foreach creator in array array['postgres', 'supabase_admin'] loop
        execute format(
            'alter default privileges for role %I in schema public '
            'grant all on tables to postgres, anon, authenticated, service_role', creator
        );
        execute format(
            'alter default privileges for role %I in schema public '
            'grant all on sequences to postgres, anon, authenticated, service_role', creator
        );
        execute format(
            'alter default privileges for role %I in schema public '
            'grant all on functions to postgres, anon, authenticated, service_role', creator
        );
    end loop;
end;
$$;
