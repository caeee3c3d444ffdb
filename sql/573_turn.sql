-- What a busy worker does between two waits, in one transaction: tell what has ended, take what is due.
create function freshness.turn(
    p_worker bigint,
    p_data_types text[],
    p_limit integer,
    p_channel text,
    p_listener integer,
    p_lead interval,
    p_is_settled boolean,
    p_ended_data_types text[] default null,
    p_ended_symbols text[] default null,
    p_ended_fences bigint[] default null,
    p_ended_rows text[] default null,
    p_ended_validators text[] default null,
    p_ended_bytes bigint[] default null,
    p_ended_calls integer[] default null
)
returns table (
    kind text, data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz,
    attempts integer, due_at timestamptz, validators jsonb, alone boolean, outcome text, due_in double precision
)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_asleep_until timestamptz;
    v_rings_at timestamptz;
    v_ended freshness.ended[];
    v_claimed integer := 0;
    v_one record;
begin
    if p_ended_fences is not null then
        v_ended := freshness.finish_many(
            p_ended_data_types, p_ended_symbols, p_ended_fences, p_ended_rows, p_ended_validators, p_ended_bytes,
            p_ended_calls
        );
        return query
        select
            'ended', e.data_type, null::text, e.fence, null::timestamptz, null::timestamptz, null::integer,
            null::timestamptz, null::jsonb, null::boolean, e.outcome, e.due_in
        from unnest(v_ended) as e;
    end if;
    if p_limit <= 0 then
        return;
    end if;

    -- Whoever sleeps until later, and has been told, goes on sleeping until then: no need to say so again, nor to look
    -- whether everybody has heard it.
    if p_is_settled then
        select s.asleep_until into v_asleep_until
        from freshness.sleepers as s
        where
            s.channel = p_channel and s.worker = p_worker and s.listener = p_listener
            and s.asleep_until > clock_timestamp() + p_lead + interval '1 second';
    end if;
    if v_asleep_until is not null and p_limit > 1 then
        select * into v_one from freshness.claim_one(p_worker, p_data_types, p_lead);
        if found then
            return query
            select
                'claimed', v_one.data_type, v_one.symbol, v_one.fence, v_one.started_at, v_one.stored_at,
                v_one.attempts, v_one.due_at, v_one.validators, v_one.alone, null::text, null::double precision;
            kind := 'asleep';
            v_rings_at := v_one.next_moment;
            if v_rings_at < v_asleep_until then
                update freshness.sleepers as s set rings_at = v_rings_at
                where s.channel = p_channel and s.rings_at is distinct from v_rings_at;
            end if;
            due_in := freshness.seconds_until(least(v_asleep_until, v_rings_at));
            return next;
            return;
        end if;
    end if;
    return query
    select
        'claimed', c.data_type, c.symbol, c.fence, c.started_at, c.stored_at, c.attempts, c.due_at, c.validators,
        c.alone, null::text, null::double precision
    from freshness.claim(
        p_worker, p_data_types, p_limit, case when v_asleep_until is null then p_channel end,
        case when v_asleep_until is null then p_listener end, p_lead
    ) as c;
    get diagnostics v_claimed = row_count;
    if v_asleep_until is not null then
        if v_claimed >= p_limit then
            perform freshness.disarm(p_channel);
        else
            kind := 'asleep';
            v_rings_at := freshness.next_moment(p_worker, p_data_types);
            update freshness.sleepers as s set rings_at = v_rings_at
            where s.channel = p_channel and v_rings_at < v_asleep_until and s.rings_at is distinct from v_rings_at;
            due_in := least(
                freshness.seconds_until(least(v_asleep_until, v_rings_at)),
                freshness.seconds_until_fold()
            );
            return next;
        end if;
    end if;
end
$$;

comment on function freshness.turn is
    'freshness.finish_many, and then freshness.claim if p_limit is above 0, in one transaction. Rows by kind: ended'
    ' (its fence, outcome and due_in), claimed (a job), and asleep when the worker, which had armed and settled'
    ' (p_is_settled) and can still be woken, may sleep for due_in (null: without end) without arming anew.';
