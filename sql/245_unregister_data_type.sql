create function freshness.unregister_data_type(name text)
returns boolean
language plpgsql
set search_path = pg_temp
set client_min_messages = warning
as $$
#variable_conflict use_variable
begin
    delete from freshness.data_types as t where t.name = name;
    if not found then
        return false;
    end if;
    delete from freshness.watches as w where w.data_type = name;
    delete from freshness.pulls as p where p.data_type = name;
    delete from freshness.jobs as j where j.data_type = name;
    execute format('drop function if exists freshness.%I(text[], timestamptz[])', 'look_' || name);
    execute format(
        'drop function if exists freshness.%I(text[], bigint[], text[], text[], bigint[], integer[])', 'ends_' || name
    );
    execute format('drop function if exists freshness.%I(text[])', 'not_before_' || name);
    perform freshness.detach_data_triggers(name);
    execute format('drop function if exists freshness.%I()', 'changed_' || name);
    perform freshness.define_subscription_trigger();
    perform freshness.define_claims();
    perform freshness.define_end_plainly();
    return true;
end
$$;

comment on function freshness.unregister_data_type(text) is
    'Removes a data type with its watches and jobs, and its triggers from the table. The data stays. False when there'
    ' was none. A refresh that is running ends without writing.';
