-- A subscription that spoils the reading of all (a filter that cannot be read, a type whose function raises) concerns
-- its own table, or itself: it is found by reading table by table, and then halves.
create function freshness.subscribed_keys(p_rows bigint[])
returns table (subscription_row bigint, subscription_id uuid, data_type text, symbol text, problem text)
language plpgsql
stable
rows 10
set search_path = pg_temp
as $$
declare
    v_problem text;
    v_tables integer;
begin
    return query select r.*, null::text from freshness.read_subscriptions(p_rows) as r;
exception
    when others or assert_failure then
        -- Nobody's row is to blame: a lock, the server, our own tables.
        if sqlstate ~ '^(40|42P01|53|55|57)' then
            raise;
        end if;
        v_problem := sqlstate || ' ' || sqlerrm;
        v_tables := (select count(distinct s.entity) from realtime.subscription as s where s.id = any (p_rows));
        if v_tables > 1 or (cardinality(p_rows) > 1 and sqlstate !~ '^42') then
            return query
            select k.*
            from (
                select array_agg(s.id) as rows
                from (
                    select o.id, o.entity, ntile(2) over (partition by o.entity order by o.id) as half
                    from realtime.subscription as o
                    where o.id = any (p_rows)
                ) as s
                group by s.entity, case when v_tables = 1 then s.half end
            ) as p
            cross join lateral freshness.subscribed_keys(p.rows) as k;
            return;
        end if;
        return query
        select s.id, s.subscription_id, null::text, null::text, v_problem
        from realtime.subscription as s
        where s.id = any (p_rows);
end
$$;

comment on function freshness.subscribed_keys(bigint[]) is
    'Keys that these rows of realtime.subscription watch. A symbol of null: on a registered table, but names no key'
    ' (no usable filter on the symbol column, or no valid symbol). problem: why it could not be read, and then nothing'
    ' else is known. Rows on other tables are left out.';
