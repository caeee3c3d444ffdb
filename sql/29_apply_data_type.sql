-- After a row of the registry was written: its look function is written anew, and its keys go to the inbox. Not into
-- their jobs: the writer's transaction may stay open, and a job that it held could not be finished.

create function freshness.pull_all_keys(p_data_type text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    insert into freshness.pulls (data_type, symbol, reason)
    select p_data_type, k.symbol, 'data changed'
    from (
        select j.symbol from freshness.jobs as j where j.data_type = p_data_type
        union
        select w.symbol from freshness.watches as w where w.data_type = p_data_type
    ) as k;
    if found then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
end
$$;

comment on function freshness.pull_all_keys(text) is
    'Leaves a pull for each key of a data type: the next claims look at them, and move deadlines that came earlier.';

create function freshness.apply_data_type()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
    -- Taken care of elsewhere, or of no consequence for a deadline.
    v_apart text[] := array[
        'key_columns', 'source', 'priority', 'max_attempts', 'estimated_size_bytes', 'registered_at', 'write_mode',
        'look_reads', 'calls_per_refresh'
    ];
begin
    if tg_op = 'UPDATE' then
        -- A measured refresh_ahead counts from each key's next look.
        if old.refresh_ahead_is_auto and new.refresh_ahead_is_auto then
            v_apart := v_apart || array['refresh_ahead'];
        end if;
        if to_jsonb(old) - v_apart = to_jsonb(new) - v_apart then
            return null;
        end if;
    end if;
    perform freshness.define_look(new.name);
    perform freshness.define_data_trigger(new.name);
    perform freshness.define_not_before(new.name);
    perform freshness.pull_all_keys(new.name);
    return null;
end
$$;

comment on function freshness.apply_data_type() is
    'Trigger function of the registry: what a changed row means for its look function and its keys.';

create trigger apply_data_type
after insert or update on freshness.data_types
for each row execute function freshness.apply_data_type();
