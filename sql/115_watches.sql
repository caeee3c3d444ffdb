-- Who is interested in what. A Realtime subscription's watch lives as long as its row in realtime.subscription,
-- which is looked up by id: Realtime's migrations fail on a foreign key to that table. Each check costs a subscriber's
-- statement ten microseconds, so lengths are checked where symbols and watchers come in.
create table freshness.watches (
    data_type text not null,
    symbol text not null,
    watcher text not null,
    subscription_row bigint,
    subscription_id uuid,
    lease_until timestamptz,
    primary key (data_type, symbol, watcher),
    constraint a_watch_is_a_subscription_or_a_lease check (
        num_nonnulls(subscription_row, lease_until) = 1 and num_nonnulls(subscription_row, subscription_id) <> 1
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
