-- Checks of a registration against the catalog. Each error names what is missing and what to do.

create function freshness.find_column(p_table regclass, p_column text, p_role text, p_types text[])
returns oid
language plpgsql
stable
set search_path = ''
as $$
declare
    v_type oid;
begin
    select a.atttypid into v_type
    from pg_catalog.pg_attribute as a
    where a.attrelid = p_table and a.attname = p_column and a.attnum > 0 and not a.attisdropped;

    if v_type is null then
        raise exception using
            errcode = 'FR002',
            message = format('column "%s" of table %s does not exist', p_column, p_table),
            hint = format('Pass the name of its %1$s column as %1$s_column.', p_role);
    elsif not (v_type::regtype::text = any (p_types)) then
        raise exception using
            errcode = 'FR002',
            message = format('column "%s" of table %s has type %s', p_column, p_table, v_type::regtype),
            hint = format('A %s column has one of the types %s.', p_role, array_to_string(p_types, ', '));
    end if;
    return v_type;
end
$$;

comment on function freshness.find_column(regclass, text, text, text[]) is
    'Type of a column; FR002 with a hint when it does not exist or has none of the given types.';

create function freshness.find_table(p_table text)
returns regclass
language plpgsql
stable
set search_path = ''
as $$
declare
    v_table regclass;
begin
    begin
        v_table := to_regclass(p_table);
    exception
        when syntax_error_or_access_rule_violation then
            v_table := null;
    end;
    if v_table is null or (select c.relkind from pg_catalog.pg_class as c where c.oid = v_table) not in ('r', 'p') then
        raise exception using
            errcode = 'FR002',
            message = format('table %s does not exist', coalesce(quote_literal(p_table), 'null')),
            hint = 'Pass the schema-qualified name of the table that holds the rows, such as ''public.quotes''; not a view.';
    end if;
    return v_table;
end
$$;

comment on function freshness.find_table(text) is
    'A table, partitioned or not, by its schema-qualified name; FR002 with a hint when there is none.';

create function freshness.find_function(p_function text, p_arguments text, p_result regtype, p_role text)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
    v_function regprocedure;
begin
    if p_function is null then
        return null;
    end if;
    begin
        v_function := to_regprocedure(
            case when p_function like '%(%' then p_function else p_function || '(' || p_arguments || ')' end
        );
    exception
        when syntax_error_or_access_rule_violation then
            v_function := null;
    end;
    if v_function is null or (select f.prorettype from pg_catalog.pg_proc as f where f.oid = v_function) <> p_result then
        raise exception using
            errcode = 'FR002',
            message = format('function %s(%s) that returns %s does not exist', p_function, p_arguments, p_result),
            hint = format('Create it, or pass its schema-qualified name as %s_function.', p_role);
    end if;
    return (
        select format('%I.%I', n.nspname, f.proname)
        from pg_catalog.pg_proc as f
        join pg_catalog.pg_namespace as n on n.oid = f.pronamespace
        where f.oid = v_function
    );
end
$$;

comment on function freshness.find_function(text, text, regtype, text) is
    'Qualified name of a function with these arguments and this result; FR002 with a hint when there is none.';

create function freshness.find_key_columns(p_table regclass, p_symbol_column text)
returns text[]
language sql
stable
set search_path = ''
as $$
    select array_agg(a.attname::text order by c.position)
    from pg_catalog.pg_index as i
    cross join unnest(i.indkey) with ordinality as c (attnum, position)
    join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = c.attnum
    where
        i.indrelid = p_table
        and i.indisunique and i.indisvalid and i.indimmediate
        and i.indpred is null and i.indexprs is null
        and c.position <= i.indnkeyatts
    group by i.indexrelid, i.indisprimary
    having p_symbol_column is null or p_symbol_column = any (array_agg(a.attname::text))
    order by i.indisprimary desc, count(*), i.indexrelid
    limit 1
$$;

comment on function freshness.find_key_columns(regclass, text) is
    'Columns of the unique index that an upsert goes by: the primary key when it has the symbol column, else the'
    ' narrowest that has it; null when there is none.';
