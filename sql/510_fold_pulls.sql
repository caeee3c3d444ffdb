-- The subscriptions of the inbox are read together, and then the keys of each data type: what is wrong with one of
-- them, or locked, is left to itself, and the others go on.
create function freshness.fold_pulls(p_limit integer default 10000)
returns integer
language plpgsql
set search_path = pg_temp
set jit = off
-- A plan that was made while the inbox was empty must not read all of it for each pull when it has filled.
set enable_seqscan = off
set lock_timeout = '20ms'
as $$
declare
    v_pulls freshness.pulls[];
    v_taken integer;
    v_now timestamptz := clock_timestamp();
    v_rows bigint[];
begin
    with taken as (
        delete from freshness.pulls as p
        where p.ctid = any (array(
            select q.ctid
            from freshness.pulls as q
            -- One that has just found something locked waits a second.
            where q.due_at not between v_now and v_now + interval '10 seconds' or q.reason = 'fresh'
            order by q.due_at, q.id
            limit p_limit
            for update skip locked
        ))
        returning p
    )

    select array_agg(t.p), count(*) into v_pulls, v_taken from taken as t;

    v_rows := array(select p.subscription_row from unnest(v_pulls) as p where p.subscription_row is not null);
    if cardinality(v_rows) > 0 then
        begin
            v_pulls := v_pulls || array(
                select row(null, null, k.data_type, k.symbol, null, null, 'subscribed')::freshness.pulls
                from freshness.record_watches(v_rows) as k
            );
        exception
            when lock_not_available or deadlock_detected then
                insert into freshness.pulls (due_at, subscription_row, reason)
                select clock_timestamp() + interval '1 second', r, 'locked' from unnest(v_rows) as r;
            when others or assert_failure then
                insert into freshness.events (kind, message) values ('error', 'subscriptions not read: ' || sqlerrm);
        end;
    end if;

    perform freshness.fold_keys(t.data_type, t.pulls)
    from (
        select p.data_type, array_agg(p) as pulls
        from unnest(v_pulls) as p
        where p.data_type is not null
        group by p.data_type
        order by p.data_type
    ) as t;
    return v_taken;
end
$$;

comment on function freshness.fold_pulls(integer) is
    'Empties the inbox into the jobs and returns the number of pulls taken. A job that somebody holds keeps its pull;'
    ' of a pull for all keys a slice is folded, and one for the rest is left.';
