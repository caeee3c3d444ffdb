-- Whoever writes a job that is due, and finds a worker asleep that can run it, hands it over: it sets the job running
-- for that worker in its own transaction, and tells it so. The worker hears of it when that is committed, and begins
-- without a claim. Why no job is lost by it, and none is fetched twice: docs/waking.md.
create function freshness.hand_over(p_data_type text, p_symbol text, p_viewers integer default 0)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_sleeper record;
    v_job record;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        perform freshness.wake(p_data_type, v_now);
        return;
    end if;

    -- As freshness.wake chooses.
    select s.channel, s.worker, s.asleep_until, s.listener into v_sleeper
    from freshness.sleepers as s
    where
        p_data_type = any (s.data_types)
        and s.asleep_until > v_now - interval '2 seconds'
        and s.looked_at > v_now - interval '65 seconds'
    order by s.asleep_until
    limit 1;
    if (v_sleeper.asleep_until > v_now) is not true then
        return;
    end if;

    -- One for each transaction, and one transaction at a time for each worker: nobody knows how many slots it has left.
    if
        coalesce(current_setting('freshness.has_handed_over', true), '') = ''
        and exists (
            select
            from freshness.workers as w
            cross join freshness.data_types as t
            where
                w.id = v_sleeper.worker and w.takes_jobs and t.name = p_data_type
                and num_nonnulls(t.source, t.staleness_function, t.not_before_function) = 0
                and t.data_table::text = t.look_reads
        )
        and exists (select from pg_catalog.pg_stat_get_activity(v_sleeper.listener))
        and pg_try_advisory_xact_lock(hashtext('freshness.hand_over'), (v_sleeper.worker % 2147483647)::integer)
    then
        update freshness.jobs as j
        set
            state = 'running', run_at = 'infinity', worker = v_sleeper.worker, fence = nextval('freshness.fences'),
            started_at = clock_timestamp(), waited = greatest(date_part('epoch', clock_timestamp() - j.due_at), 0),
            calls = 0, unwatched_at = null, viewers = greatest(j.viewers, p_viewers)
        where
            j.data_type = p_data_type and j.symbol = p_symbol and j.state = 'scheduled'
            and j.run_at <= v_now and (j.not_before <= v_now) is not false
            -- A notification has room for 8,000 bytes.
            and coalesce(octet_length(j.validators::text), 0) < 5000
            -- A job that others know (xmax) may have been fetched while the caller waited for it, after its look.
            and (
                j.required_as_of is not null or j.xmax = '0'::xid
                or exists (
                    select from freshness.look(p_data_type, array[p_symbol]) as l
                    where (l.refresh_at > v_now) is not true
                )
            )
        returning j.fence, j.started_at, j.stored_at, j.attempts, j.waited, j.alone,
            case when j.verified_at is not null then j.validators end as validators
        into v_job;
    end if;
    if v_job is null then
        perform freshness.wake(p_data_type, v_now);
        return;
    end if;

    if exists (
        select from freshness.listeners as l
        where l.data_type = p_data_type and l.symbol = p_symbol and l.is_told_of_starts
    ) then
        insert into freshness.events (kind, data_type, symbol, worker, fence, waited)
        values ('refreshing', p_data_type, p_symbol, v_sleeper.worker, v_job.fence, v_job.waited);
    end if;
    perform set_config('freshness.has_handed_over', 'yes', true);
    perform pg_notify(
        v_sleeper.channel,
        json_build_object(
            'worker', v_sleeper.worker, 'data_type', p_data_type, 'symbol', p_symbol, 'fence', v_job.fence,
            'started_at', v_job.started_at, 'stored_at', v_job.stored_at, 'attempts', v_job.attempts,
            'validators', v_job.validators, 'alone', v_job.alone,
            'others_sleep', exists (select from freshness.sleepers as s where s.channel <> v_sleeper.channel)
        )::text
    );
end
$$;

comment on function freshness.hand_over(text, text, integer) is
    'Hands a job that is due over to the sleeper that keeps the time, if that is plain: it runs for that worker, which'
    ' hears of it once this transaction commits. Otherwise as freshness.wake. Call it in a statement of its own, for a'
    ' job that this transaction has locked: it locks it. p_viewers: so many watch it at least.';
