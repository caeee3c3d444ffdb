-- A job that was claimed, and when something is due next.
create type freshness.claimed_one as (
    data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz, attempts integer,
    due_at timestamptz, validators jsonb, alone boolean, next_moment timestamptz
);

create function freshness.define_claims(p_waits boolean default true)
returns void
language plpgsql
set search_path = pg_temp
as $define$
declare
    v_one text := freshness.claim_one_body();
    v_plain text := freshness.claim_plain_body();
begin
    if (
        select count(*) = 2 from pg_catalog.pg_proc as f
        where
            f.pronamespace = 'freshness'::regnamespace
            and (f.proname, f.prosrc) in (('claim_one', v_one), ('claim_plain', v_plain))
    ) then
        return;
    end if;
    -- One at a time, each with what the one before it has registered.
    if p_waits then
        perform pg_advisory_xact_lock(hashtext('freshness.define_subscription_trigger'));
    elsif not pg_try_advisory_xact_lock(hashtext('freshness.define_subscription_trigger')) then
        return;
    end if;
    execute format(
        'create or replace function freshness.claim_one(p_worker bigint, p_data_types text[], p_lead interval)'
        ' returns setof freshness.claimed_one'
        ' language plpgsql rows 1 set search_path = pg_temp set lock_timeout = ''100ms'' set enable_seqscan = off as %L;'
        ' revoke all on function freshness.claim_one(bigint, text[], interval) from public',
        freshness.claim_one_body()
    );
    execute format(
        'create or replace function freshness.claim_plain('
        'p_worker bigint, p_data_types text[], p_places tid[], p_sources text[], p_horizon timestamptz)'
        ' returns setof freshness.claimed_job'
        ' language plpgsql rows 10 set search_path = pg_temp set lock_timeout = ''100ms'' set enable_seqscan = off'
        ' set plan_cache_mode = force_generic_plan as %L;'
        ' revoke all on function freshness.claim_plain(bigint, text[], tid[], text[], timestamptz) from public',
        freshness.claim_plain_body()
    );
end
$define$;

comment on function freshness.define_claims(boolean) is
    'Writes freshness.claim_one and claim_plain for the data types that are registered, if they differ. p_waits false:'
    ' not while somebody else does.';

select freshness.define_claims();

comment on function freshness.claim_one(bigint, text[], interval) is
    'Part of turn: claims the one job that is due within p_lead, as freshness.claim does, and says when something is'
    ' due next (freshness.next_moment). No row: that is for the claim. Written anew when data types change.';
comment on function freshness.claim_plain(bigint, text[], tid[], text[], timestamptz) is
    'Part of claim: sets running what it can of the jobs that are locked at p_places, of these data types; p_sources:'
    ' those with a budget. Written anew when data types change.';
