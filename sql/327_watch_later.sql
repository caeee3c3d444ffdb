create function freshness.watch_later(p_rows bigint[], p_reason text, p_try_now boolean)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    if p_try_now then
        begin
            perform freshness.watch_subscriptions(p_rows);
            return;
        exception
            when others or assert_failure then
                p_reason := sqlstate || ' ' || sqlerrm;
        end;
    end if;
    insert into freshness.pulls (subscription_row, reason) select r.id, p_reason from unnest(p_rows) as r (id);
    perform pg_notify('freshness_work', clock_timestamp()::text);
end
$$;

comment on function freshness.watch_later(bigint[], text, boolean) is
    'Leaves pulls for rows of realtime.subscription that could not be read when they were inserted, with the reason,'
    ' and wakes the workers. p_try_now: watch_subscriptions is tried first, which takes care of what is wrong with a'
    ' data table.';
