-- To judge a row takes some 200 microseconds. So the first of a transaction are judged, most of the others are only
-- written down for the fold, and when there are very many all keys are looked at.
create function freshness.are_too_many(p_data_type text, p_symbol text)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
declare
    v_judged constant integer := 500;
    v_noted constant integer := 10000;
    v_setting constant text := 'freshness.older_rows_' || encode(convert_to(p_data_type, 'UTF8'), 'hex');
    v_rows constant integer := coalesce(nullif(current_setting(v_setting, true), ''), '0')::integer + 1;
begin
    if v_rows > v_noted + 1 then
        return true;
    end if;
    perform set_config(v_setting, v_rows::text, true);
    if v_rows <= v_judged then
        return false;
    elsif v_rows <= v_noted then
        insert into freshness.pulls (data_type, symbol, reason)
        select j.data_type, j.symbol, 'data changed'
        from freshness.jobs as j
        where j.data_type = p_data_type and j.symbol = p_symbol
        limit 1;
    else
        insert into freshness.pulls (data_type, reason) values (p_data_type, 'all keys');
    end if;
    -- Once is enough: it is told at the commit.
    if v_rows = v_judged + 1 then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
    return true;
end
$$;

comment on function freshness.are_too_many(text, text) is
    'Counts a row that became older in this transaction. False: it is to be judged. True for those of a data type after'
    ' 500, whose keys are left to the fold, and after 10,000 all keys.';
