-- Plans are kept: with the arrays' lengths in view Postgres would plan most of these statements at each call, which
-- takes longer than running them.
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
set search_path = ''
-- A data table that is being altered concerns its own keys only: they are set aside for a minute.
set lock_timeout = '1s'
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_due freshness.jobs[];
    v_type record;
    v_now timestamptz;
    v_allowed jsonb;
    v_short text[];
    v_left integer := p_limit;
    v_claimed integer;
    v_asked integer;
    v_is_set_back boolean;
begin
    update freshness.workers as w
    set seen_at = clock_timestamp()
    from (select o.id, o.seen_at from freshness.workers as o where o.id = p_worker) as o
    where w.id = o.id
    returning o.seen_at > clock_timestamp() + interval '1 second' into v_is_set_back;
    if not found then
        raise exception using errcode = 'FR004', message = format('worker %s is not announced', p_worker),
            hint = 'It was taken for dead, or has left; announce it anew with freshness.announce_worker.';
    end if;
    -- The clock was set back: what waits for its deadline would wait that much longer.
    if v_is_set_back then
        perform freshness.pull_all_keys(t.name) from freshness.data_types as t order by t.name;
    end if;
    if exists (select from freshness.pulls) then
        perform freshness.fold_pulls();
    end if;
    perform freshness.take_over();

    -- What turns out to need no fetch makes room for more, within bounds: a claim stays a short transaction.
    for v_round in 1..10 loop
        v_now := clock_timestamp();
        v_asked := v_left;
        v_allowed := freshness.open_sources(p_data_types, p_lead);
        select d.due, d.short into v_due, v_short
        from freshness.due_jobs(p_data_types, v_left, p_lead, v_allowed) as d;

        for v_type in
            select
                t as registered,
                -- Set aside before, or the table has another name than the look function knows.
                bool_or(d.state = 'failed' or t.data_table::text <> t.look_reads) as is_doubtful
            from unnest(v_due) as d
            join freshness.data_types as t on t.name = d.data_type
            group by t.name
            order by t.name
        loop
            return query
            select *
            from freshness.decide(
                p_worker, v_type.registered, v_due, v_now + p_lead,
                case when v_type.is_doubtful then freshness.renew_look((v_type.registered).name) end
            );
            get diagnostics v_claimed = row_count;
            v_left := v_left - v_claimed;
        end loop;
        if v_allowed <> '{}' then
            perform freshness.charge_sources(p_worker, v_now, array(select jsonb_object_keys(v_allowed)), v_short);
        end if;
        -- Fewer were due than were asked for, and each has been claimed: no more are.
        exit when v_left <= 0 or cardinality(v_due) = 0 or v_asked - v_left = cardinality(v_due);
    end loop;

    -- Without a free slot it must not be taken for one that can be woken.
    if v_left <= 0 then
        perform freshness.disarm(p_channel);
    elsif p_listener is null then
        perform freshness.stay_awake(p_channel);
    elsif p_channel is not null then
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
