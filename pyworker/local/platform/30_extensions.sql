-- Extensions live in a schema of their own. Those that this machine does not have are left out.
create schema if not exists extensions;
grant usage, create on schema extensions to postgres, dashboard_user;
grant usage on schema extensions to anon, authenticated, service_role;

do $$
declare
    available text;
begin
    for available in
        select name
        from pg_catalog.pg_available_extensions
        where name in ('pgcrypto', 'pgtap', 'plpgsql_check', 'uuid-ossp')
            and installed_version is null
        order by name
    loop
        execute format('create extension %I with schema extensions', available);
    end loop;
end;
$$;
