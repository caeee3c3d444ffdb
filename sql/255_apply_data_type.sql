-- After a row of the registry was written: its look function is written anew, and its keys go to the inbox. Not into
-- their jobs: the writer's transaction may stay open, and a job that it held could not be finished.

create function freshness.pull_all_keys(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    insert into freshness.pulls (data_type, reason)
    select p_data_type, 'all keys'
    where
        exists (select from freshness.jobs as j where j.data_type = p_data_type)
        or exists (select from freshness.watches as w where w.data_type = p_data_type);
    if found then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
end
$$;

comment on function freshness.pull_all_keys(text) is
    'Leaves one pull for all keys of a data type: the next claims look at them, a slice at a time, and move deadlines'
    ' that came earlier.';

create function freshness.keys_after(p_data_type text, p_symbol text, p_limit integer)
returns text[]
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    -- The least of each by its primary key, so that a slice costs the same however many keys there are.
    return array(
        select k.symbol
        from (
            (
                select j.symbol
                from freshness.jobs as j
                where j.data_type = p_data_type and j.symbol > p_symbol
                order by j.symbol
                limit p_limit
            )
            union
            (
                select distinct w.symbol
                from freshness.watches as w
                where w.data_type = p_data_type and w.symbol > p_symbol
                order by w.symbol
                limit p_limit
            )
        ) as k
        order by k.symbol
        limit p_limit
    );
end
$$;

comment on function freshness.keys_after(text, text, integer) is
    'The next keys of a data type after a symbol, in order: those that have a job or a watch.';

create function freshness.apply_data_type()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
declare
    -- Taken care of elsewhere, or of no consequence for a deadline.
    v_apart text[] := array[
        'key_columns', 'source', 'priority', 'max_attempts', 'estimated_size_bytes', 'registered_at', 'write_mode',
        'look_reads', 'symbol_is_text', 'calls_per_refresh', 'backoff_first', 'backoff_longest'
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
    perform freshness.define_ends(new.name);
    perform freshness.define_data_trigger(new.name);
    perform freshness.renew_update_trigger(old, new) where tg_op = 'UPDATE';
    perform freshness.define_not_before(new.name);
    perform freshness.define_subscription_trigger();
    perform freshness.define_claims();
    perform freshness.define_end_plainly();
    perform freshness.pull_all_keys(new.name);
    return null;
end
$$;

comment on function freshness.apply_data_type() is
    'Trigger function of the registry: what a changed row means for its look function and its keys.';

create trigger apply_data_type
after insert or update on freshness.data_types
for each row execute function freshness.apply_data_type();
