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
