-- What somebody watches with leases: with cards under the user's own name, with each stream under one that has it.
create function freshness.lease_owner(p_watcher text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_temp
as $$
begin
    return case
        when p_watcher like 'stream:%' then substr(p_watcher, strpos(substr(p_watcher, 8), ':') + 8) else p_watcher
    end;
end
$$;

comment on function freshness.lease_owner(text) is
    'Whose lease it is: a card''s is held under its user''s name, a stream''s under stream:<id>:<its user''s name>.';

-- A user's leases, to count them; subscriptions are not in it.
create index watches_leases_of on freshness.watches (freshness.lease_owner(watcher)) where lease_until is not null;

create function freshness.leased_keys(p_owner text)
returns table (data_type text, symbol text, lease_until timestamptz)
language plpgsql
stable
rows 10
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    select w.data_type, w.symbol, max(w.lease_until)
    from freshness.watches as w
    where freshness.lease_owner(w.watcher) = p_owner and w.lease_until > clock_timestamp()
    group by w.data_type, w.symbol;
end
$$;

comment on function freshness.leased_keys(text) is
    'The keys that somebody watches with cards and streams, each once, and until when at most.';
