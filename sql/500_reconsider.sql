-- What a key's job should be, from its watches and its stored rows. The fold asks it for the keys in the inbox, the
-- sweep for those that differ. It waits for nobody: a job that is held right now is reported as locked.
create function freshness.reconsider(
    p_data_type text, p_symbols text[] default null, p_data_changed boolean default false
)
returns table (symbol text, outcome text)
language plpgsql
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
declare
    v_looked text[];
    v_outcomes text[];
    v_due_at timestamptz;
    v_first timestamptz;
    v_left text[] := coalesce(p_symbols, array(
        select j.symbol from freshness.jobs as j where j.data_type = p_data_type
        union select w.symbol from freshness.watches as w where w.data_type = p_data_type
    ));
begin
    -- Those that were moved during the first look are held by us at the second, so that nobody moves them again.
    for v_look in 1..2 loop
        select array_agg(r.symbol), array_agg(r.outcome), min(r.due_at) into v_looked, v_outcomes, v_due_at
        from freshness.reconsider_once(p_data_type, v_left, p_data_changed) as r;
        return query
        select o.symbol, o.outcome from unnest(v_looked, v_outcomes) as o (symbol, outcome)
        where o.outcome <> 'overtaken';
        v_first := least(v_first, v_due_at);
        v_left := array(
            select o.symbol from unnest(v_looked, v_outcomes) as o (symbol, outcome) where o.outcome = 'overtaken'
        );
        exit when v_left = '{}';
    end loop;
    if v_first is not null then
        perform freshness.wake(p_data_type, v_first);
    end if;
end
$$;

comment on function freshness.reconsider(text, text[], boolean) is
    'Gives these keys of a data type (null: all that have a job or a watch) the job that they should have: added when'
    ' watched without one; moved when it waits for too late a moment; unwatched when nobody wants it, which lets it go'
    ' after keep_warm; counted when only its viewers changed. p_data_changed: running ones are marked, to be looked at'
    ' again. earlier: moved too, but nothing was missed (refresh_ahead is measured, or a staleness function was asked'
    ' again). locked: held by another transaction, to be tried again; table locked: the data table is. Keys that are'
    ' right already are not returned.';
