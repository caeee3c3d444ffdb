-- A data table that was renamed or changed under us: its look function was written for what it was before.

create function freshness.renew_look(p_data_type text)
returns text
language plpgsql
set search_path = pg_temp
as $$
begin
    perform freshness.define_look(p_data_type);
    perform freshness.define_ends(p_data_type);
    perform freshness.define_data_trigger(p_data_type);
    perform freshness.define_subscription_trigger(p_waits => false);
    perform freshness.define_claims(p_waits => false);
    perform freshness.define_end_plainly(p_waits => false);
    return null;
exception
    when others then
        return sqlstate || ' ' || sqlerrm;
end
$$;

comment on function freshness.renew_look(text) is
    'Writes a data type''s look function anew if its table has changed. Returns why it cannot be written, or null.';

create function freshness.release_unreadable(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.jobs as j
    set state = 'scheduled', not_before = null, last_error = null, run_at = least(j.run_at, clock_timestamp())
    where
        j.data_type = p_data_type
        and j.symbol in (
            select f.symbol
            from freshness.jobs as f
            join freshness.data_types as t on t.name = f.data_type
            where f.data_type = p_data_type and f.state = 'failed' and f.attempts < t.max_attempts
            for update of f skip locked
        );
    if found then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
end
$$;

comment on function freshness.release_unreadable(text) is
    'Makes due the keys that were set aside because they could not be looked at, not those whose fetches failed.';
