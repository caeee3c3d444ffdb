-- The functions that end refreshes of one data type each are called by one that knows them all: to call them by their
-- names would take a dynamic statement, planned at each turn.
create function freshness.end_plainly_body()
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return e'\nbegin' || coalesce(
        (
            select string_agg(
                format(
                    e'\n    if p_data_type = %L then'
                    || e'\n        return freshness.%I(p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls);'
                    || e'\n    end if;',
                    t.name, f.proname
                ), '' order by t.name
            )
            from freshness.data_types as t
            join pg_catalog.pg_proc as f
                on f.pronamespace = 'freshness'::regnamespace and f.proname = 'ends_' || t.name
        ),
        -- Said so that no check finds the parameters unused.
        e'\n    perform p_data_type, p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls;'
    ) || e'\n    return null;\nend\n';
end
$define$;

comment on function freshness.end_plainly_body() is
    'PL/pgSQL of freshness.end_plainly for the data types that are registered.';

create function freshness.define_end_plainly(p_waits boolean default true)
returns void
language plpgsql
set search_path = pg_temp
as $define$
begin
    if exists (
        select from pg_catalog.pg_proc as f
        where
            f.pronamespace = 'freshness'::regnamespace and f.proname = 'end_plainly'
            and f.prosrc = freshness.end_plainly_body()
    ) then
        return;
    end if;
    -- One at a time, each with what the one before it has registered.
    if p_waits then
        perform pg_advisory_xact_lock(hashtext('freshness.define_subscription_trigger'));
    elsif not pg_try_advisory_xact_lock(hashtext('freshness.define_subscription_trigger')) then
        return;
    end if;
    execute format(
        'create or replace function freshness.end_plainly(p_data_type text, p_symbols text[], p_fences bigint[],'
        ' p_rows text[], p_validators text[], p_bytes bigint[], p_calls integer[]) returns freshness.ended[]'
        ' language plpgsql set search_path = pg_temp as %L;'
        ' revoke all on function freshness.end_plainly(text, text[], bigint[], text[], text[], bigint[], integer[])'
        ' from public',
        freshness.end_plainly_body()
    );
end
$define$;

comment on function freshness.define_end_plainly(boolean) is
    'Writes freshness.end_plainly for the data types that are registered, if it differs. p_waits false: not while'
    ' somebody else does.';

select freshness.define_end_plainly();

comment on function freshness.end_plainly(text, text[], bigint[], text[], text[], bigint[], integer[]) is
    'Part of finish_many: ends refreshes of one data type where that is plain, by freshness."ends_<name>", and returns'
    ' those; null for a data type that it does not know. Written anew when data types change.';
