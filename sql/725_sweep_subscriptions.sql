-- A slice of a sweep's work. What somebody holds in a transaction that stays open must not keep it from the rest:
-- a slice that would wait is halved until what is held stands alone, and that is passed over.

create function freshness.sweep_subscriptions(
    p_rows bigint[],
    p_are_plain boolean,
    out mended integer,
    out passed_over integer
)
language plpgsql
set search_path = pg_temp
set lock_timeout = '20ms'
as $$
declare
    v_middle integer := cardinality(p_rows) / 2;
begin
    mended := case
        when p_are_plain then freshness.watch_plain_subscriptions(p_rows) else freshness.mend_watches(p_rows)
    end;
    passed_over := 0;
exception
    when unique_violation then
        select s.* into mended, passed_over from freshness.sweep_subscriptions(p_rows, false) as s;
    when lock_not_available then
        if v_middle = 0 then
            mended := 0;
            passed_over := 1;
        else
            select sum(s.mended), sum(s.passed_over)
            into mended, passed_over
            from (values (p_rows[:v_middle]), (p_rows[v_middle + 1:])) as half (rows)
            cross join lateral freshness.sweep_subscriptions(half.rows, p_are_plain) as s;
        end if;
    when others or assert_failure then
        insert into freshness.events (kind, message) values ('error', 'subscriptions not read: ' || sqlerrm);
        mended := 0;
        passed_over := cardinality(p_rows);
end
$$;

comment on function freshness.sweep_subscriptions(bigint[], boolean) is
    'mend_watches, or watch_plain_subscriptions, waiting for nobody: how many watches were mended, and how many'
    ' subscriptions passed over.';
