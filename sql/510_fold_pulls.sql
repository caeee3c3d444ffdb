create function freshness.fold_pulls(p_limit integer default 10000)
returns integer
language plpgsql
set search_path = pg_temp
set jit = off
-- A plan that was made while the inbox was empty must not read all of it for each pull when it has filled.
set enable_seqscan = off
set lock_timeout = '100ms'
as $$
declare
    v_pulls freshness.pulls[];
    v_type record;
    v_rows bigint[];
    v_problem text;
    v_symbols text[];
    v_slice constant integer := 5000;
begin
    with taken as (
        delete from freshness.pulls as p
        where p.id = any (
            array(select q.id from freshness.pulls as q order by q.id limit p_limit for update skip locked)
        )
        returning p
    )

    select array_agg(t.p) into v_pulls from taken as t;

    v_rows := array(select p.subscription_row from unnest(v_pulls) as p where p.subscription_row is not null);
    if cardinality(v_rows) > 0 then
        begin
            perform freshness.watch_subscriptions(v_rows);
        exception
            when lock_not_available then
                insert into freshness.pulls (subscription_row, reason) select unnest(v_rows), 'locked';
            when others then
                insert into freshness.events (kind, message) values ('error', 'subscriptions not read: ' || sqlerrm);
        end;
    end if;

    for v_type in
        select
            p.data_type,
            bool_or(p.reason in ('data changed', 'truncated', 'all keys')) as data_changed,
            coalesce(
                array_agg(distinct p.symbol) filter (where p.reason not in ('truncated', 'all keys')), '{}'
            ) as symbols,
            -- A truncated table, or a changed row of the registry, concerns all keys: those after this one are left.
            min(coalesce(p.symbol, '')) filter (where p.reason in ('truncated', 'all keys')) as after
        from unnest(v_pulls) as p
        where p.data_type is not null
        group by p.data_type
        order by p.data_type
    loop
        begin
            v_symbols := v_type.symbols;
            if v_type.after is not null then
                v_symbols := freshness.keys_after(v_type.data_type, v_type.after, v_slice);
                insert into freshness.pulls (data_type, symbol, reason)
                select v_type.data_type, v_symbols[v_slice], 'all keys'
                where cardinality(v_symbols) = v_slice;
                v_symbols := array(select unnest(v_symbols) union select unnest(v_type.symbols));
            end if;
            insert into freshness.pulls (data_type, symbol, reason)
            select v_type.data_type, r.symbol, case when v_type.data_changed then 'data changed' else 'locked' end
            from freshness.reconsider(v_type.data_type, v_symbols, v_type.data_changed) as r
            where r.outcome = 'locked';
            perform freshness.raise_priorities(v_type.data_type, v_pulls);
        exception
            when lock_not_available then
                insert into freshness.pulls (data_type, symbol, priority, reason)
                select
                    v_type.data_type, p.symbol, max(p.priority),
                    case when v_type.data_changed then 'data changed' else 'locked' end
                from unnest(v_pulls) as p
                where
                    p.data_type = v_type.data_type and p.symbol is not null
                    and p.reason not in ('truncated', 'all keys')
                group by p.symbol
                union all
                select v_type.data_type, nullif(v_type.after, ''), null, 'all keys' where v_type.after is not null;
            when others then
                v_problem := format('keys of %s not looked at: %s', v_type.data_type, sqlerrm);
                insert into freshness.events (kind, data_type, message) values ('error', v_type.data_type, v_problem);
        end;
    end loop;
    return coalesce(cardinality(v_pulls), 0);
end
$$;

comment on function freshness.fold_pulls(integer) is
    'Empties the inbox into the jobs and returns the number of pulls taken. A job that somebody holds keeps its pull;'
    ' of a pull for all keys a slice is folded, and one for the rest is left.';

create function freshness.turns_to_fold(p_limit integer)
returns integer
language sql
volatile
set search_path = pg_temp
as $$
    select
        (count(*) / p_limit + coalesce(sum(
            (select 1 + count(*) / 5000 from freshness.jobs as j where j.data_type = p.data_type)
            + (select count(*) / 5000 from freshness.watches as w where w.data_type = p.data_type)
        ) filter (where p.reason in ('truncated', 'all keys')), 0))::integer
    from freshness.pulls as p
$$;

comment on function freshness.turns_to_fold(integer) is
    'How often fold_pulls has to be called, with this limit, to empty the inbox, after a first time.';
