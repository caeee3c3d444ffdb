create function freshness.find_table(p_table text)
returns regclass
language plpgsql
stable
set search_path = pg_temp
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
            hint = 'Pass the schema-qualified name of the table that holds the rows, such as ''public.quotes'';'
            ' not a view.';
    end if;
    return v_table;
end
$$;

comment on function freshness.find_table(text) is
    'A table, partitioned or not, by its schema-qualified name; FR002 with a hint when there is none.';

create function freshness.find_table_again(p_type freshness.data_types)
returns regclass
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    if not exists (select from pg_catalog.pg_class as c where c.oid = p_type.data_table) then
        raise exception using
            errcode = 'FR002',
            message = format('the table of data type %s was dropped', p_type.name),
            hint = 'Create it and register the data type again.';
    end if;
    return freshness.find_table(p_type.data_table::text);
end
$$;

comment on function freshness.find_table_again(freshness.data_types) is
    'The table of a registered data type, whatever it is called now; FR002 when it was dropped.';
