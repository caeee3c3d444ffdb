-- Who is asking: PostgREST puts the verified claims of the JWT into settings of the transaction.
create schema if not exists auth;
grant usage on schema auth to postgres, anon, authenticated, service_role, dashboard_user;

-- The older settings hold one claim each, the current one all of them as JSON. An empty string
-- is what a setting falls back to after the transaction that set it.
create or replace function auth.jwt()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb;
$$;
comment on function auth.jwt() is 'All claims of the request, null without a request.';

create or replace function auth.uid()
returns uuid
language sql
stable
set search_path = ''
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid;
$$;
comment on function auth.uid() is 'The user who makes the request, null without one.';

create or replace function auth.role()
returns text
language sql
stable
set search_path = ''
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
    );
$$;
comment on function auth.role() is 'The role of the request, null without one.';

alter schema auth owner to supabase_auth_admin;
alter function auth.jwt() owner to supabase_auth_admin;
alter function auth.uid() owner to supabase_auth_admin;
alter function auth.role() owner to supabase_auth_admin;
