-- One at a time. The lock ends with the transaction, however that ends, so that it never outlives its session, also
-- behind a pooler. A sweep that commits takes it anew; if another one came in between, that one does all the rest.
create function freshness.begin_sweep()
returns boolean
language sql
set search_path = ''
as $$
    select pg_try_advisory_xact_lock(hashtext('freshness.sweep'))
$$;

comment on function freshness.begin_sweep() is
    'Begins a transaction of a sweep: false when another sweep is under way.';

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
