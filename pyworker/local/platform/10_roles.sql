-- The roles of a Supabase database. supabase_admin, the superuser who runs this, is there already.
-- Each one is created only when it is missing, so that a second run alters no role.
do $$
declare
    wanted record;
begin
    for wanted in
        select roles.name, roles.attributes
        from (
            values
            ('postgres', 'login createdb createrole replication bypassrls password ''postgres'''),
            ('anon', 'nologin noinherit'),
            ('authenticated', 'nologin noinherit'),
            ('service_role', 'nologin noinherit bypassrls'),
            ('authenticator', 'login noinherit password ''postgres'''),
            ('supabase_auth_admin', 'nologin noinherit createrole'),
            ('supabase_realtime_admin', 'nologin noinherit'),
            ('dashboard_user', 'nologin createdb createrole replication')
        ) as roles (name, attributes)
        where not exists (select from pg_catalog.pg_roles where rolname = roles.name)
    loop
        execute format('create role %I %s', wanted.name, wanted.attributes);
    end loop;
end;
$$;

-- Who may become whom. postgres is deliberately no member of supabase_realtime_admin.
do $$
declare
    wanted record;
begin
    for wanted in
        select memberships.granted, memberships.member
        from (
            values
            ('anon', 'authenticator'),
            ('authenticated', 'authenticator'),
            ('service_role', 'authenticator'),
            ('anon', 'postgres'),
            ('authenticated', 'postgres'),
            ('service_role', 'postgres'),
            ('pg_monitor', 'postgres'),
            ('pg_read_all_data', 'postgres'),
            ('pg_signal_backend', 'postgres')
        ) as memberships (granted, member)
        where not exists (
            select
            from pg_catalog.pg_auth_members as existing
            where existing.roleid = memberships.granted::regrole
                and existing.member = memberships.member::regrole
        )
    loop
        execute format('grant %I to %I', wanted.granted, wanted.member);
    end loop;
end;
$$;

-- A role's own setting wins over the database's, so unqualified names resolve as on the platform.
do $$
declare
    wanted record;
begin
    for wanted in
        select paths.role_name, paths.search_path
        from (
            values
            ('postgres', '"$user", public, extensions'),
            ('supabase_admin', '"$user", public, auth, extensions')
        ) as paths (role_name, search_path)
        where not exists (
            select
            from pg_catalog.pg_db_role_setting as existing
            where existing.setrole = paths.role_name::regrole
                and existing.setdatabase = 0
                and 'search_path=' || paths.search_path = any(existing.setconfig)
        )
    loop
        execute format(
            'alter role %I set search_path to %s', wanted.role_name, wanted.search_path
        );
    end loop;
end;
$$;
