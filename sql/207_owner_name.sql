-- Whoever registers a data type, what that writes belongs to the owner of everything here: our functions call it, and
-- write it anew, with their owner's rights.
create function freshness.owner_name()
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return (select n.nspowner::regrole::text from pg_catalog.pg_namespace as n where n.nspname = 'freshness');
end
$$;

comment on function freshness.owner_name() is 'Role that owns schema freshness, quoted where needed.';
