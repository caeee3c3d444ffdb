-- Reading a subscription's filters in full costs more than anything else a sweep does, so those whose watch is plainly
-- right are told apart first: one filter, eq on the symbol column, and a watch with just that symbol.
create function freshness.differing_subscriptions()
returns bigint[]
language plpgsql
stable
set search_path = ''
as $$
begin
    if to_regclass('realtime.subscription') is null then
        return array[]::bigint[];
    end if;
    return array(
        with tables as materialized (
            select e.entity, t.name, t.symbol_column
            from (select distinct s.entity from realtime.subscription as s) as e
            join freshness.data_types as t on t.data_table in (e.entity, pg_catalog.pg_partition_root(e.entity))
        )

        select distinct s.id
        from (
            select
                s.id, s.subscription_id, s.entity,
                case when cardinality(s.filters) = 1 then to_jsonb(s.filters[1]) end as filter
            from realtime.subscription as s
            offset 0
        ) as s
        join tables as t on t.entity = s.entity
        left join freshness.watches as w on w.subscription_row = s.id and w.data_type = t.name
        where
            (
                w.subscription_id = s.subscription_id
                and w.watcher = 'realtime:' || s.id
                and case
                    when t.symbol_column is null then w.symbol = 'GLOBAL'
                    else
                        s.filter ->> 'column_name' = t.symbol_column and s.filter ->> 'op' = 'eq'
                        and s.filter ->> 'value' = w.symbol and not coalesce((s.filter ->> 'negate')::boolean, false)
                end
            ) is not true
        order by s.id
    );
end
$$;

comment on function freshness.differing_subscriptions() is
    'ids in realtime.subscription, in order, that may lack a watch or have a wrong one. Those with several filters or'
    ' symbols, or none, are always among them.';
