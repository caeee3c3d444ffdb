-- One row for each binding of a channel and published table that it matches. No row level security.
-- All or nothing: a second run beside a running server must not take a lock on the table.
do $$
begin
    if to_regclass('realtime.subscription') is not null then
        return;
    end if;

    create table realtime.subscription (
        id bigint generated always as identity,
        subscription_id uuid not null,
        entity regclass not null,
        filters realtime.user_defined_filter[] not null default '{}',
        claims jsonb not null,
        claims_role regrole not null
        generated always as (realtime.to_regrole(claims ->> 'role')) stored,
        created_at timestamp without time zone not null default timezone('utc', now()),
        action_filter text default '*',
        selected_columns text[],
        constraint pk_subscription primary key (id),
        constraint subscription_action_filter_check
        check (action_filter in ('*', 'INSERT', 'UPDATE', 'DELETE'))
    );

    create index ix_realtime_subscription_entity
    on realtime.subscription using btree (entity);

    -- The name is cut at 63 characters there, and so it is here.
    create unique index subscription_subscription_id_entity_filters_action_filter_selec
    on realtime.subscription (
        subscription_id, entity, filters, action_filter, coalesce(selected_columns, '{}')
    );

    create trigger tr_check_filters
    before insert or update on realtime.subscription
    for each row execute function realtime.subscription_check_filters();

    alter table realtime.subscription owner to supabase_realtime_admin;
    grant all on realtime.subscription to postgres, dashboard_user;
    grant select on realtime.subscription to anon, authenticated, service_role;
    grant all on sequence realtime.subscription_id_seq to postgres, dashboard_user;
    grant usage on sequence realtime.subscription_id_seq to anon, authenticated, service_role;
end;
$$;
