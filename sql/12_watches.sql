-- Who is interested in what. A Realtime subscription's watch lives as long as its row in realtime.subscription,
-- which is looked up by id: Realtime's migrations fail on a foreign key to that table.
create table freshness.watches (
    data_type text not null,
    symbol text not null
    constraint a_symbol_has_1_to_200_characters check (length(symbol) between 1 and 200),
    watcher text not null
    constraint a_watcher_has_1_to_200_characters check (length(watcher) between 1 and 200),
    subscription_row bigint,
    subscription_id uuid,
    lease_until timestamptz,
    primary key (data_type, symbol, watcher),
    constraint a_watch_is_a_subscription_or_a_lease check (
        (subscription_row is not null and subscription_id is not null and lease_until is null)
        or (subscription_row is null and subscription_id is null and lease_until is not null)
    )
);

create index watches_subscription_row on freshness.watches (subscription_row) where subscription_row is not null;
create index watches_lease_until on freshness.watches (lease_until) where lease_until is not null;

comment on table freshness.watches is 'Somebody''s interest in a key: a Realtime subscription, or a lease with an end.';
comment on column freshness.watches.watcher is
    'realtime:<id of the subscription''s row>, or the name a lease was taken under.';
comment on column freshness.watches.subscription_row is 'id of the row in realtime.subscription; not a foreign key.';
comment on column freshness.watches.subscription_id is
    'subscription_id of that row: tells it from a later row with the same id.';
comment on column freshness.watches.lease_until is 'When the lease ends unless it is renewed.';
