-- Everything that becomes of a key is an event, so whoever waits for one is told where events are added. A NOTIFY holds
-- up the commits of the whole server: it goes out only for keys that somebody listens for. Why none is missed, and what
-- it costs when nobody listens: docs/waiting.md.
create function freshness.tell_listeners()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
declare
    -- What such a transaction sees may be old: tell all.
    v_sees_the_past boolean := current_setting('transaction_isolation') <> 'read committed';
begin
    if not v_sees_the_past and not exists (select from freshness.listeners) then
        return null;
    end if;
    perform pg_notify(
        'freshness_events',
        jsonb_build_object(
            'id', a.id, 'data_type', a.data_type, 'symbol', a.symbol, 'kind', a.kind, 'fence', a.fence,
            'happened_at', a.happened_at,
            'status', freshness.stream_status(j, a.kind <> 'missing', j.fresh_until, a.happened_at),
            'fresh_until', case when isfinite(j.fresh_until) then j.fresh_until end,
            'due_at', case when isfinite(j.due_at) then j.due_at end
        )::text
    )
    from added as a
    left join freshness.jobs as j on j.data_type = a.data_type and j.symbol = a.symbol
    where
        a.symbol is not null
        and (
            v_sees_the_past
            or exists (
                select from freshness.listeners as l
                where
                    l.data_type = a.data_type and l.symbol = a.symbol
                    and (l.is_told_of_starts or a.kind <> 'refreshing')
            )
        );
    return null;
end
$$;

comment on function freshness.tell_listeners() is
    'Trigger function of events: tells those who listen for a key on channel freshness_events, once this transaction'
    ' commits. The payload is the event without its message, and the key''s state from then on. A hint only: what is'
    ' true is in the tables, and whoever misses it looks within half a minute.';

create trigger tell_listeners
after insert on freshness.events
referencing new table as added
for each statement
execute function freshness.tell_listeners();

-- That a key is asked for is no event; it takes a number all the same, in whose order states are told.
create function freshness.tell_queued(p_data_type text, p_symbols text[], p_requested_at timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    if not exists (select from freshness.listeners) then
        return;
    end if;
    perform pg_notify(
        'freshness_events',
        jsonb_build_object(
            'id', nextval('freshness.events_id_seq'), 'data_type', j.data_type, 'symbol', j.symbol, 'kind', 'queued',
            'fence', j.fence, 'happened_at', p_requested_at, 'status', 'queued',
            'fresh_until', case when isfinite(j.fresh_until) then j.fresh_until end, 'due_at', j.due_at
        )::text
    )
    from freshness.jobs as j
    where
        j.data_type = p_data_type
        and j.symbol in (select c.symbol from freshness.canonical_symbols(p_data_type, p_symbols) as c)
        and j.requested_at = p_requested_at
        and freshness.stream_status(j, true, j.fresh_until, p_requested_at) = 'queued'
        and exists (
            select from freshness.listeners as l
            where l.data_type = j.data_type and l.symbol = j.symbol and l.is_told_of_starts
        );
end
$$;

comment on function freshness.tell_queued(text, text[], timestamptz) is
    'Tells those who listen for starts that keys were asked for in this transaction, which holds their jobs.';
