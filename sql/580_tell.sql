-- Everything that becomes of a key is an event, so whoever waits for one is told where events are added. A NOTIFY holds
-- up the commits of the whole server: it goes out only for keys that somebody listens for. Why none is missed, and what
-- it costs when nobody listens: docs/waiting.md.
create function freshness.tell_listeners()
returns trigger
language plpgsql
set search_path = ''
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
            'happened_at', a.happened_at
        )::text
    )
    from added as a
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
    ' commits. The payload is the event without its message. A hint only: what is true is in the tables, and whoever'
    ' misses it looks within half a minute.';

create trigger tell_listeners
after insert on freshness.events
referencing new table as added
for each statement
execute function freshness.tell_listeners();
