-- Falling asleep, second step, in a transaction after arming: look until nobody is left who may have written a job
-- without seeing that we sleep. Such a writer had its transaction id before we took ours (p_since), so it has ended
-- when all running transactions are younger. A long foreign transaction need not be waited for: a writer of jobs holds
-- a lock on their table, so those that hold one are named (p_suspects), and waited for alone.
create function freshness.settle(
    p_channel text,
    p_worker bigint,
    p_data_types text[],
    p_listener integer,
    p_since xid8 default null,
    p_suspects text[] default null
)
returns table (seconds double precision, settled boolean, since xid8, suspects text[])
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_since xid8 := p_since;
    v_suspects text[] := p_suspects;
    v_settled boolean := false;
    v_xmin xid8;
    v_moment timestamptz;
    v_armed_until timestamptz;
    v_rings_at timestamptz;
begin
    if v_since is null then
        v_since := pg_current_xact_id();
        perform freshness.note_look(p_channel);
    elsif v_suspects is null then
        v_suspects := freshness.job_writers();
    else
        v_suspects := array(
            select w from unnest(freshness.job_writers()) as w where w = any (p_suspects)
        );
    end if;
    v_settled := cardinality(v_suspects) = 0;

    -- One snapshot for both: what it sees is all that those who have ended have written.
    select
        pg_snapshot_xmin(pg_current_snapshot()),
        freshness.sleep_until(p_channel, p_worker, p_data_types),
        (select s.asleep_until from freshness.sleepers as s where s.channel = p_channel)
    into v_xmin, v_moment, v_armed_until;
    v_settled := coalesce(v_settled, false) or v_xmin >= v_since;

    if v_moment > clock_timestamp() and v_moment is distinct from v_armed_until then
        -- Something changed meanwhile: say so, commit, and begin anew.
        perform freshness.arm(p_channel, p_worker, p_data_types, p_listener);
        return query select 0.002::double precision, false, null::xid8, null::text[];
        return;
    end if;
    if v_moment = 'infinity' then
        v_rings_at := freshness.understudy_until(p_channel, p_worker, p_data_types);
        v_moment := coalesce(v_rings_at, v_moment);
    end if;
    update freshness.sleepers as s set rings_at = v_rings_at
    where s.channel = p_channel and s.rings_at is distinct from v_rings_at;
    return query
    select
        least(freshness.seconds_until(v_moment), freshness.seconds_until_fold()),
        v_settled, v_since, v_suspects;
end
$$;

comment on function freshness.settle(text, bigint, text[], integer, xid8, text[]) is
    'Looks whether a worker that is armed may sleep. seconds: until something is due (0 or less: claim; null: never).'
    ' settled: sleep so long. Otherwise call again soon with since, and after a while with suspects too.';

create function freshness.note_look(p_channel text)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    update freshness.sleepers as s set looked_at = clock_timestamp() where s.channel = p_channel;
    delete from freshness.sleepers as s
    where
        s.looked_at < clock_timestamp() - interval '65 seconds'
        or not exists (select from pg_catalog.pg_stat_activity as a where a.pid = s.listener);
end
$$;

comment on function freshness.note_look(text) is
    'Notes that a sleeper has looked, and removes those that have not for long or whose listener is gone.';

create function freshness.job_writers()
returns text[]
language plpgsql
volatile
set search_path = pg_temp
as $$
begin
    return (
        select coalesce(array_agg(distinct l.virtualtransaction), '{}')
        from pg_catalog.pg_locks as l
        where
            l.locktype = 'relation'
            and l.mode = 'RowExclusiveLock'
            and l.relation in ('freshness.jobs'::regclass, 'freshness.pulls'::regclass)
            and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
            and l.pid is distinct from pg_backend_pid()
    );
end
$$;

comment on function freshness.job_writers() is 'Transactions that have written to jobs or pulls and not yet ended.';
