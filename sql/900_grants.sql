-- Read as the access policy, with 905_worker_role.sql: no other file grants. Browsers reach two functions, and server
-- code with the secret key the documents' functions too. supabase/tests/900_grants.sql holds it as a matrix.
revoke all on all tables in schema freshness from public, anon, authenticated, service_role;
revoke all on all sequences in schema freshness from public, anon, authenticated, service_role;
revoke all on all routines in schema freshness from public, anon, authenticated, service_role;

alter table freshness.data_types enable row level security;
alter table freshness.jobs enable row level security;
alter table freshness.watches enable row level security;
alter table freshness.pulls enable row level security;
alter table freshness.workers enable row level security;
alter table freshness.sleepers enable row level security;
alter table freshness.listeners enable row level security;
alter table freshness.sources enable row level security;
alter table freshness.spent_calls enable row level security;
alter table freshness.spent_days enable row level security;
alter table freshness.events enable row level security;
alter table freshness.sweeps enable row level security;
alter table freshness.sweep_slices enable row level security;
alter table freshness.freshness_samples enable row level security;
alter table freshness.card_limits enable row level security;

revoke all on function public.is_data_stale_v2(timestamptz, integer) from public, anon, authenticated;
revoke all on function public.queue_refresh_if_not_exists_v2(text, text, integer, bigint)
from public, anon, authenticated;
revoke all on function public.check_and_queue_stale_batch_v2(text, text[], integer) from public, anon, authenticated;
revoke all on function public.check_and_queue_stale_data_from_presence_v2() from public, anon, authenticated;
revoke all on function public.get_active_subscriptions_from_realtime() from public, anon, authenticated;
revoke all on function public.check_staleness_on_update() from public, anon, authenticated, service_role;
revoke all on function public.on_realtime_subscription_insert() from public, anon, authenticated, service_role;
revoke all on function public.get_or_queue(text, text) from public, anon, authenticated;
revoke all on function public.on_card_add(text, text[], jsonb) from public, anon, authenticated;

grant execute on function public.is_data_stale_v2(timestamptz, integer) to service_role;
grant execute on function public.queue_refresh_if_not_exists_v2(text, text, integer, bigint) to service_role;
grant execute on function public.check_and_queue_stale_batch_v2(text, text[], integer) to service_role;
grant execute on function public.check_and_queue_stale_data_from_presence_v2() to service_role;
grant execute on function public.get_active_subscriptions_from_realtime() to service_role;
grant execute on function freshness.refresh_for_server(text, text, integer, bigint) to service_role;
grant execute on function freshness.request_for_server(text, text[], integer) to service_role;
grant execute on function freshness.sweep_for_server() to service_role;
grant execute on function freshness.subscriptions_for_server() to service_role;

-- Signed-in users may ask for the keys of tables that they may read. They call the first by name; it calls the others,
-- which nobody can name without usage on the schema.
grant execute on function public.get_or_queue(text, text) to authenticated, service_role;
grant execute on function freshness.get_or_queue(text, text) to authenticated, service_role;
grant execute on function freshness.queue_for_caller(text, text) to authenticated, service_role;
grant execute on function freshness.answer_for_caller(freshness.queued_key) to authenticated, service_role;

-- Pages of signed-in users say what they show; it answers for the tables that the caller may read.
grant execute on function public.on_card_add(text, text[], jsonb) to authenticated, service_role;

-- Server code with the secret key may read the registry and the state of keys, and nothing else.
grant usage on schema freshness to service_role;
grant select on freshness.data_types, freshness.jobs, freshness.key_status to service_role;

-- A project may have a table of that name already, with grants of its own.
do $$
begin
    if exists (
        select from pg_catalog.pg_views as v
        where
            v.schemaname = 'public' and v.viewname = 'data_type_registry_v2'
            and v.definition like '%freshness.data_types%'
    ) then
        revoke all on public.data_type_registry_v2 from public, anon, authenticated, service_role;
        grant select on public.data_type_registry_v2 to service_role;
    end if;
end
$$;
