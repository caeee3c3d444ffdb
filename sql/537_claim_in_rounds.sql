-- The claim of whatever is due: of sources that are short, of keys that turn out to be fresh or unwanted, of data types
-- whose functions have to be asked, of tables that cannot be read.
create function freshness.claim_in_rounds(p_worker bigint, p_data_types text[], p_limit integer, p_lead interval)
returns table (
    data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz, attempts integer,
    due_at timestamptz, validators jsonb, alone boolean
)
language plpgsql
rows 10
set search_path = pg_temp
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
begin
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
end
$$;

comment on function freshness.claim_in_rounds(bigint, text[], integer, interval) is
    'Part of claim: takes up to p_limit due jobs, the best first, or says of those that it looks at why not.';
