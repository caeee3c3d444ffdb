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
    v_found record;
    v_type record;
    v_now timestamptz;
    v_allowed jsonb;
    v_left integer := p_limit;
    v_claimed integer;
    v_asked integer;
    v_is_set_back boolean;
begin
    v_is_set_back := freshness.seen(p_worker);
    if v_is_set_back is null then
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
    if freshness.somebody_died() then
        perform freshness.take_over();
    end if;

    -- What turns out to need no fetch makes room for more, within bounds: a claim stays a short transaction.
    for v_round in 1..10 loop
        v_now := clock_timestamp();
        v_asked := v_left;
        v_allowed := freshness.open_sources(p_data_types, p_lead);
        v_found := freshness.due_jobs(p_data_types, v_left, p_lead, v_allowed);

        for v_type in
            select
                t as registered,
                -- Set aside before, or the table has another name than the look function knows.
                bool_or(d.state = 'failed' or t.data_table::text <> t.look_reads) as is_doubtful
            from unnest(v_found.due) as d
            join freshness.data_types as t on t.name = d.data_type
            group by t.name
            order by t.name
        loop
            return query
            select *
            from freshness.decide(
                p_worker, v_type.registered, v_found.places, v_found.due, v_now + p_lead,
                case when v_type.is_doubtful then freshness.renew_look((v_type.registered).name) end
            );
            get diagnostics v_claimed = row_count;
            v_left := v_left - v_claimed;
        end loop;
        if v_allowed <> '{}' then
            perform freshness.charge_sources(p_worker, v_now, array(select jsonb_object_keys(v_allowed)), v_found.short);
        end if;
        -- Fewer were due than were asked for, and each has been claimed: no more are.
        exit when v_left <= 0 or cardinality(v_found.due) = 0 or v_asked - v_left = cardinality(v_found.due);
    end loop;

    if v_left < p_limit then
        perform freshness.call_understudy(p_worker, p_data_types);
    end if;
    -- Without a free slot it must not be taken for one that can be woken.
    if v_left <= 0 then
        perform freshness.disarm(p_channel);
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
