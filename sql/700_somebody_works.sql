create function freshness.somebody_works()
returns boolean
language sql
stable
set search_path = pg_temp
as $$
    select
        exists (select from freshness.workers as w where w.seen_at > clock_timestamp() - interval '90 seconds')
        or exists (select from freshness.sleepers as s where s.looked_at > clock_timestamp() - interval '90 seconds')
$$;

comment on function freshness.somebody_works() is
    'Whether a worker has been heard of in the last 90 seconds: by a claim or a heartbeat, or asleep by a look, as each'
    ' makes every half minute.';
