-- What is to become of due jobs of one data type: looked at in one statement, and asked about only what would be
-- fetched.
create function freshness.decisions(p_data_type text, p_due freshness.jobs[], p_now timestamptz)
returns table (
    symbol text,
    due_at timestamptz,
    stored_at timestamptz,
    fresh_until timestamptz,
    refresh_at timestamptz,
    keep_warm interval,
    viewers integer,
    problem text,
    closed_until timestamptz,
    decision text
)
language plpgsql
rows 10
set search_path = ''
as $$
#variable_conflict use_column
declare
    v_symbols text[] := array(select d.symbol from unnest(p_due) as d where d.data_type = p_data_type);
    v_problem text := freshness.renew_look(
        p_data_type, exists (select from unnest(p_due) as d where d.data_type = p_data_type and d.state = 'failed')
    );
begin
    return query
    with looked as materialized (
        select
            d.symbol,
            d.due_at,
            l.stored_at,
            l.fresh_until,
            l.refresh_at,
            coalesce(v_problem, l.problem) as problem,
            t.keep_warm,
            coalesce(w.viewers, 0) as viewers,
            case
                when coalesce(v_problem, l.problem) is not null then 'broken'
                when d.required_as_of is not null then 'fetch'
                when w.viewers is null and d.requested_at is null then
                    case when d.unwatched_at + t.keep_warm <= p_now then 'drop' else 'warm' end
                when l.refresh_at > p_now then 'wait'
                else 'fetch'
            end as decision
        from unnest(p_due) as d
        join freshness.data_types as t on t.name = d.data_type
        join freshness.look(p_data_type, v_symbols) as l on l.symbol = d.symbol
        left join freshness.live_watches(p_data_type, v_symbols) as w on w.symbol = d.symbol
        where d.data_type = p_data_type
    ),

    asked as materialized (
        select a.*
        from freshness.data_types as t
        cross join lateral freshness.ask_not_before(
            t.name, array(select l.symbol from looked as l where l.decision = 'fetch')
        ) as a
        where t.name = p_data_type and t.not_before_function is not null
    )

    select
        l.symbol, l.due_at, l.stored_at, l.fresh_until, l.refresh_at, l.keep_warm, l.viewers,
        coalesce(l.problem, a.problem) as problem,
        -- Asked again after a week at the latest: the function may have changed its mind.
        least(a.closed_until, p_now + interval '7 days') as closed_until,
        case
            when a.problem is not null then 'broken'
            when a.closed_until > p_now then 'closed'
            else l.decision
        end as decision
    from looked as l
    left join asked as a on a.symbol = l.symbol;
end
$$;

comment on function freshness.decisions(text, freshness.jobs[], timestamptz) is
    'For each of these jobs: fetch; wait for its deadline (refresh_at) or, closed, for its provider (closed_until);'
    ' stay warm or drop, as nobody wants it; broken, with its problem, as its rows or its provider could not be asked.';
