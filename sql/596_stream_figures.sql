create function freshness.stream_figures(out streams bigint, out streamed_keys bigint)
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    select count(distinct w.watcher), count(distinct (w.data_type, w.symbol)) into streams, streamed_keys
    from freshness.watches as w
    where w.watcher like 'stream:%' and w.lease_until > clock_timestamp();
end
$$;

comment on function freshness.stream_figures() is
    'How many streams are open, in all processes, and on how many keys. Those of a process that was killed count until'
    ' their leases end.';
