-- What a claim says of a job that it hands out.
create type freshness.claimed_job as (
    data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz, attempts integer,
    due_at timestamptz, validators jsonb, alone boolean
);

-- The claim decides about sets of any data type, which takes it longer than the rest. Nearly all due jobs are plain:
-- still wanted, stale, of a table that can be read. These are looked at and set running by one statement, written for
-- each table that is registered, like the look. All others are left as they are, locked.
create function freshness.claims_plain(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return format(
        $body$
        return query
        update freshness.jobs as o
        set
            state = 'running', run_at = 'infinity', worker = p_worker, fence = nextval('freshness.fences'),
            started_at = clock_timestamp(), waited = greatest(date_part('epoch', clock_timestamp() - g.due_at), 0),
            calls = g.calls, unwatched_at = null, viewers = g.viewers, stored_at = g.stored_at,
            fresh_until = g.fresh_until,
            verified_at = case
                when coalesce(g.stored_at, '-infinity') >= coalesce(o.stored_at, '-infinity') then o.verified_at
            end
        from (
            select
                p.place, d.stored_at, f.fresh_until, w.viewers,
                greatest(j.due_at, case when j.required_as_of is null then a.refresh_at end) as due_at,
                case when t.source = any (p_sources) then t.calls_per_refresh else 0 end as calls
            from freshness.data_types as t
            cross join unnest(p_places) as p (place)
            join freshness.jobs as j on j.ctid = p.place and j.data_type = %1$L and j.state = 'scheduled'
            cross join lateral (select j.symbol, null::timestamptz as verified_at) as k
            %2$s
            cross join lateral (
                select count(*)::integer as viewers
                from freshness.watches as i
                where
                    i.data_type = %1$L and i.symbol = k.symbol
                    and (
                        i.lease_until > clock_timestamp()
                        -- With an offset it is looked up for each, whatever there is to look through.
                        or exists (
                            select from realtime.subscription as s
                            where s.id = i.subscription_row and s.subscription_id = i.subscription_id
                            offset 0
                        )
                    )
            ) as w
            where
                t.name = %1$L and t.data_table::text = t.look_reads
                and (
                    j.required_as_of is not null
                    or ((w.viewers > 0 or j.requested_at is not null) and (a.refresh_at > p_horizon) is not true)
                )
        ) as g
        where o.ctid = g.place
        returning
            o.data_type, o.symbol, o.fence, o.started_at, o.stored_at, o.attempts, g.due_at,
            case when o.verified_at is not null then o.validators end, o.alone;$body$,
        p_type.name, freshness.look_joins(p_type)
    );
end
$define$;

comment on function freshness.claims_plain(freshness.data_types) is
    'PL/pgSQL that sets running those of the scheduled jobs at p_places that are of this data type, wanted and stale,'
    ' and returns them as freshness.claimed_job.';
