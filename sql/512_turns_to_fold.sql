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

create function freshness.seconds_until_fold()
returns double precision
language plpgsql
set search_path = pg_temp
as $$
begin
    -- One that was left at once waits for somebody who holds its job.
    return (
        select greatest(freshness.seconds_until(f.due_at), 0.25)
        from (select min(p.due_at) as due_at from freshness.pulls as p) as f
        where f.due_at is not null
    );
end
$$;

comment on function freshness.seconds_until_fold() is
    'In how many seconds a claim finds something in the inbox, a quarter at least; null: it is empty.';
