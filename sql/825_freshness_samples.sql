-- How many keys were in time, kept with each sweep (every five minutes): the share over an hour or a day needs no
-- history of each key.
create table freshness.freshness_samples (
    taken_at timestamptz primary key default clock_timestamp(),
    wanted integer not null,
    late integer not null
);

comment on table freshness.freshness_samples is
    'At each sweep: the wanted keys, and those of them whose data was stale or missing. Kept for 7 days.';

create function freshness.take_sample()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
begin
    insert into freshness.freshness_samples (wanted, late)
    select count(*), count(k.lateness) from freshness.key_status as k where k.wanted
    on conflict do nothing;
    delete from freshness.freshness_samples as s where s.taken_at < clock_timestamp() - interval '7 days';
    return null;
end
$$;

comment on function freshness.take_sample() is 'Trigger: keeps a sample of the keys'' freshness with each sweep.';

create trigger take_sample after insert on freshness.sweeps
for each row execute function freshness.take_sample();
