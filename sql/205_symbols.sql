-- A symbol is the symbol column's value as canonical text: cast through the column's type and back. Dates and times are
-- written as the session says, so what makes a text of a symbol settles that: they are read back in any session.

create function freshness.cast_symbol(p_symbol text, p_type text)
returns text
language plpgsql
stable
set search_path = pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
    v_symbol text;
begin
    execute format('select ($1::%s)::text', p_type) into v_symbol using p_symbol;
    return v_symbol;
exception
    when data_exception or integrity_constraint_violation then
        return null;
end
$$;

comment on function freshness.cast_symbol(text, text) is
    'One symbol as the canonical text of a type, or null when it is not a value of that type.';

create function freshness.cast_symbols(p_symbols text[], p_type text, out given text[], out symbols text[])
language plpgsql
stable
set search_path = pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
begin
    execute format(
        'select array_agg(g), array_agg(case when length(g) between 1 and 200 then (g::%1$s)::text end)'
        ' from (select distinct g from unnest($1) as g) as given',
        p_type
    ) into given, symbols using p_symbols;
end
$$;

comment on function freshness.cast_symbols(text[], text) is
    'Each given text once, and beside it its symbol: the canonical text of a type, or null. Fails if one is no value of'
    ' that type.';

create function freshness.canonical_symbols(p_data_type text, p_symbols text[])
returns table (given text, symbol text)
language plpgsql
stable
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
declare
    v_type oid;
    v_is_global boolean;
    v_given text[];
    v_symbols text[];
begin
    select t.symbol_column is null, a.atttypid
    into v_is_global, v_type
    from freshness.data_types as t
    left join pg_catalog.pg_attribute as a
        on a.attrelid = t.data_table and a.attname = t.symbol_column and not a.attisdropped
    where t.name = p_data_type;

    -- Not registered, or its table or symbol column is gone: then nothing is a symbol of it.
    if v_is_global is null or (v_type is null and not v_is_global) then
        return query
        select distinct g, null::text from unnest(p_symbols) as g;
    elsif v_is_global then
        return query
        select distinct g, 'GLOBAL' from unnest(p_symbols) as g;
    elsif v_type in ('text'::regtype, 'varchar'::regtype) then
        return query
        select distinct g, case when length(g) between 1 and 200 then g end from unnest(p_symbols) as g;
    else
        -- The whole list at once is ten times faster; one that does not fit the type spoils it, then each goes alone.
        -- Not returned from here: what was returned before an error would stay.
        begin
            select c.given, c.symbols into v_given, v_symbols
            from freshness.cast_symbols(p_symbols, format_type(v_type, -1)) as c;
        exception
            when data_exception or integrity_constraint_violation then
                v_given := array(select distinct g from unnest(p_symbols) as g);
                v_symbols := array(
                    select case when length(g) between 1 and 200 then freshness.cast_symbol(g, format_type(v_type, -1)) end
                    from unnest(v_given) with ordinality as u (g, place)
                    order by u.place
                );
        end;
        -- Few characters may stand for many: 1e300 is a number.
        return query
        select u.given, case when length(u.symbol) between 1 and 200 then u.symbol end
        from unnest(v_given, v_symbols) as u (given, symbol);
    end if;
end
$$;

comment on function freshness.canonical_symbols(text, text[]) is
    'Each given text once, with its symbol: canonical through the symbol column''s type, GLOBAL for a global table,'
    ' null when it is no value of that type, empty, or longer than 200 characters.';
