create function freshness.mend_watches(p_rows bigint[])
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_mended integer;
begin
    with read as materialized (
        select
            k.data_type, k.symbol, k.subscription_row, k.subscription_id, k.problem,
            'realtime:' || k.subscription_row as watcher
        from freshness.subscribed_keys(p_rows) as k
    ),

    subscribed as materialized (
        select r.* from read as r where r.symbol is not null
    ),

    -- Lists to look a row up in, and an index to look it up by: nothing that the planner could join all with all, since
    -- it knows neither how many these are nor, after a large change, how many watches there are.
    wrong as materialized (
        select
            w.ctid as place,
            (w.data_type, w.symbol, w.watcher) in (select s.data_type, s.symbol, s.watcher from subscribed as s) as stays
        from freshness.watches as w
        where
            w.subscription_row = any (p_rows)
            -- What cannot be read now stays as it is.
            and w.subscription_row not in (select r.subscription_row from read as r where r.problem is not null)
            and (w.data_type, w.symbol, w.watcher, w.subscription_id) not in (
                select s.data_type, s.symbol, s.watcher, s.subscription_id from subscribed as s
            )
        for update skip locked
    ),

    removed as (
        delete from freshness.watches as w
        where w.ctid = any (array(select o.place from wrong as o where not o.stays))
        returning 1
    ),

    -- One that is there under this name with another subscription is put right, unless somebody holds it.
    added as (
        insert into freshness.watches as w (data_type, symbol, watcher, subscription_row, subscription_id)
        select s.data_type, s.symbol, s.watcher, s.subscription_row, s.subscription_id
        from subscribed as s
        where (
            select k.subscription_row = s.subscription_row and k.subscription_id = s.subscription_id
            from freshness.watches as k
            where k.data_type = s.data_type and k.symbol = s.symbol and k.watcher = s.watcher
        ) is not true
        order by s.data_type, s.symbol
        on conflict (data_type, symbol, watcher) do update set
            subscription_row = excluded.subscription_row,
            subscription_id = excluded.subscription_id,
            lease_until = null
        where
            (w.subscription_row, w.subscription_id)
            is distinct from (excluded.subscription_row, excluded.subscription_id)
        returning 1
    )

    select (select count(*) from removed) + (select count(*) from added) into v_mended;
    return v_mended;
end
$$;

comment on function freshness.mend_watches(bigint[]) is
    'Makes the watches of these rows of realtime.subscription what their filters say; returns how many were missing'
    ' or wrong. Their jobs are left to reconsider.';

create function freshness.watch_plain_subscriptions(p_rows bigint[])
returns integer
language plpgsql
set search_path = pg_temp
set enable_seqscan = off
as $$
declare
    v_added integer;
begin
    execute format(
        $query$
        with slice as materialized (
            select
                s.id, s.subscription_id, s.entity,
                case when cardinality(s.filters) = 1 then s.filters[1] end as filter
            from realtime.subscription as s
            where s.id = any ($1)
        ),

        named as materialized (
            select s.id, s.subscription_id, t.name, %s as symbol
            from (select distinct s.entity from slice as s) as e
            join freshness.data_types as t on t.data_table in (e.entity, pg_catalog.pg_partition_root(e.entity))
            join slice as s on s.entity = e.entity
        )

        insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id)
        select n.name, n.symbol, 'realtime:' || n.id, n.id, n.subscription_id
        from named as n
        where
            length(n.symbol) between 1 and 200
            -- Row by row, by their index: the planner may take a table for empty that a long sweep is filling.
            and n.name <> all (array(select w.data_type from freshness.watches as w where w.subscription_row = n.id))
        order by n.name, n.symbol
        $query$,
        freshness.plain_symbol()
    ) using p_rows;
    get diagnostics v_added = row_count;
    return v_added;
end
$$;

comment on function freshness.watch_plain_subscriptions(bigint[]) is
    'Adds the watches of plain subscriptions that have none, as freshness.differing_subscriptions tells, and returns'
    ' their number. Fails with unique_violation when such a watch is there under another subscription.';
