create view freshness.data_type_status with (security_invoker = true) as
select
    t.name as data_type,
    count(k.symbol)::integer as keys,
    (count(*) filter (where k.wanted))::integer as wanted,
    coalesce(sum(k.viewers), 0)::integer as viewers,
    (count(*) filter (where k.status = 'fresh'))::integer as fresh,
    (count(*) filter (where k.status = 'refreshing'))::integer as refreshing,
    (count(*) filter (where k.status = 'stale'))::integer as stale,
    (count(*) filter (where k.status = 'missing'))::integer as missing,
    (count(*) filter (where k.status = 'failed'))::integer as failed,
    count(k.lateness)::integer as late,
    extract(epoch from max(k.lateness))::double precision as worst_lateness
from freshness.data_types as t
left join freshness.key_status as k on t.name = k.data_type
group by t.name;

comment on view freshness.data_type_status is
    'Each registered data type with the number of its keys: in all, wanted, by status, and late; viewers is their sum'
    ' over the keys as last counted, worst_lateness is in seconds.';
