-- Plans are kept: with the arrays' lengths in view Postgres would plan most of these statements at each call.
create function freshness.claim(
    p_worker bigint,
    p_data_types text[],
    p_limit integer,
    p_channel text default null,
    p_listener integer default null,
    p_lead interval default '0'
)
returns table (
    data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz, attempts integer,
    due_at timestamptz, validators jsonb, alone boolean
)
language plpgsql
rows 10
set search_path = pg_temp
-- A data table that is being altered concerns its own keys only: they are set aside for a minute.
set lock_timeout = '1s'
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_best record;
    v_now timestamptz := clock_timestamp();
    v_left integer := p_limit;
    v_claimed integer;
    v_is record;
    v_is_done boolean := false;
begin
    -- Locked, so that whoever takes the worker from the list waits for its claims. Heard of is written down rarely: two
    -- claims of one worker need not wait for each other.
    select
        w.seen_at > v_now + interval '1 second' as is_set_back,
        w.seen_at < v_now - least(w.heartbeat_limit / 8, interval '5 seconds') as is_long_ago,
        (select min(p.due_at) from freshness.pulls as p) <= v_now as has_pulls,
        exists (select from freshness.jobs as j where j.state = 'running' and j.worker < p_worker)
        or exists (select from freshness.jobs as j where j.state = 'running' and j.worker > p_worker) as others_run,
        exists (select from freshness.sleepers as s where s.worker <> p_worker) as others_sleep,
        exists (select from freshness.sleepers as s where s.channel = p_channel) as is_asleep,
        exists (select from freshness.listeners as l where l.is_told_of_starts) as is_told
    into v_is
    from freshness.workers as w
    where w.id = p_worker
    for key share of w;
    if not found then
        raise exception using errcode = 'FR004', message = format('worker %s is not announced', p_worker),
            hint = 'It was taken for dead, or has left; announce it anew with freshness.announce_worker.';
    end if;
    if v_is.is_set_back or v_is.is_long_ago then
        perform freshness.seen(p_worker);
    end if;
    if v_is.is_set_back then
        -- The clock was: what waits for its deadline would wait that much longer.
        perform freshness.pull_all_keys(t.name) from freshness.data_types as t order by t.name;
    end if;
    if v_is.has_pulls or v_is.is_set_back then
        perform freshness.fold_pulls();
    end if;
    if v_is.others_run and freshness.somebody_died() then
        perform freshness.take_over();
    end if;

    v_now := clock_timestamp();
    begin
        v_best := freshness.lock_best(p_data_types, p_limit, p_lead);
        if v_best.places is null then
            v_is_done := v_best.are_all;
        elsif freshness.have_plenty(v_best.sources, greatest(p_limit, 5000) * v_best.most_calls) then
            -- Only what returns all its rows or none: those that were returned before an error would stay.
            if v_is.is_told then
                return query select * from freshness.claim_told(
                    p_worker, v_best.data_types, v_best.places, v_best.sources, v_now + p_lead
                );
            else
                return query select * from freshness.claim_plain(
                    p_worker, v_best.data_types, v_best.places, v_best.sources, v_now + p_lead
                );
            end if;
            get diagnostics v_claimed = row_count;
            v_left := v_left - v_claimed;
            v_is_done := v_best.are_all and v_claimed = cardinality(v_best.places);
        end if;
    exception
        -- One of its keys or tables spoils it: what follows finds out which.
        when others or assert_failure then
            null;
    end;

    if v_left > 0 and not v_is_done then
        return query select * from freshness.claim_in_rounds(p_worker, p_data_types, v_left, p_lead);
        get diagnostics v_claimed = row_count;
        v_left := v_left - v_claimed;
    end if;

    if v_left < p_limit and v_is.others_sleep then
        perform freshness.call_understudy(p_worker, p_data_types);
    end if;
    -- Without a free slot it must not be taken for one that can be woken.
    if v_left <= 0 then
        if v_is.is_asleep then
            perform freshness.disarm(p_channel);
        end if;
    elsif p_channel is null then
        null;
    elsif p_listener is null then
        perform freshness.stay_awake(p_channel);
    else
        perform freshness.arm(p_channel, p_worker, p_data_types, p_listener);
    end if;
end
$$;

comment on function freshness.claim(bigint, text[], integer, text, integer, interval) is
    'Takes up to p_limit jobs of these data types that are due or will be within p_lead, for a worker, as far as their'
    ' sources allow, the best first (freshness.due_jobs). Looks before it hands out: what nobody wants or what is fresh'
    ' goes away or to its deadline instead. Commit, and wait for due_at, before the fetch. started_at is its "as of",'
    ' fence what finish and fail ask for. With p_channel and p_listener the worker is among the sleepers afterwards if'
    ' it has a slot left (freshness.arm), and must settle before it sleeps; with p_channel alone it stays awake and'
    ' claims again within a second. FR004: the worker is not announced.';
