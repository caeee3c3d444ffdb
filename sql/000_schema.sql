-- The private schema. What people call is granted by name in 900_grants.sql; nothing else is reachable.
create schema freshness;

comment on schema freshness is
    'Keeps exactly the rows that somebody is looking at fresh: who watches what, when it goes stale, who fetches it.';

revoke all on schema freshness from public;
