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
            hint = 'Pass the schema-qualified name of the table that holds the rows, such as ''public.quotes'';'
            ' not a view.';
    end if;
    return v_table;
end
$$;

comment on function freshness.find_table(text) is
    'A table, partitioned or not, by its schema-qualified name; FR002 with a hint when there is none.';
