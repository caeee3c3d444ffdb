-- While streams are open their process looks for all of them together, and renews their leases, now and then.
create function freshness.look_at_streams(p_data_types text[], p_symbols text[], p_backend integer default null)
returns table (data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz)
language plpgsql
rows 10
set search_path = pg_temp
as $$
begin
    perform freshness.listen_for(k.data_type, array_agg(k.symbol), p_backend, true)
    from unnest(p_data_types, p_symbols) as k (data_type, symbol)
    where p_backend is not null
    group by k.data_type;
    return query select * from freshness.stream_states(p_data_types, p_symbols);
end
$$;

comment on function freshness.look_at_streams(text[], text[], integer) is
    'The states of keys without versions, to compare with what is known; freshness.follow_keys has those that differ.'
    ' Also says that backend p_backend still listens, which is to be said each half minute.';

create function freshness.renew_streams(
    p_streams text[], p_data_types text[], p_symbols text[], p_lease interval
)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    perform freshness.lease_streams(p_streams, p_data_types, p_symbols, p_lease);

    perform freshness.watch_streams(array_agg(k.stream), array_agg(k.data_type), array_agg(k.symbol), p_lease)
    from unnest(p_streams, p_data_types, p_symbols) as k (stream, data_type, symbol)
    where not exists (
        select from freshness.jobs as j where j.data_type = k.data_type and j.symbol = k.symbol
    )
    having count(*) > 0;
end
$$;

comment on function freshness.renew_streams(text[], text[], text[], interval) is
    'Renews the leases that streams hold on keys (canonical symbols); writes those of which a quarter has passed.';

create function freshness.close_streams(
    p_streams text[], p_data_types text[], p_symbols text[], p_backend integer default null
)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_ended integer;
begin
    delete from freshness.watches as w where w.watcher = any (p_streams) and w.lease_until is not null;
    get diagnostics v_ended = row_count;
    perform freshness.stop_listening(p_backend, k.data_type, array_agg(k.symbol), true)
    from unnest(p_data_types, p_symbols) as k (data_type, symbol)
    where p_backend is not null
    group by k.data_type;
    return v_ended;
end
$$;

comment on function freshness.close_streams(text[], text[], text[], integer) is
    'Ends the leases of streams, and has nothing more told to backend p_backend of these keys, which nobody streams any'
    ' more. Returns how many leases ended.';
