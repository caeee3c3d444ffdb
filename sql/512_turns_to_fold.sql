create function freshness.turns_to_fold(p_limit integer)
returns integer
language sql
volatile
set search_path = ''
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
