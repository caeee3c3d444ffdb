create function freshness.find_function(p_function text, p_arguments text, p_result regtype, p_role text)
returns text
language plpgsql
stable
set search_path = pg_temp
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
        when syntax_error_or_access_rule_violation or invalid_text_representation then
            v_function := null;
    end;
    if
        v_function is null
        or (select f.prorettype from pg_catalog.pg_proc as f where f.oid = v_function) <> p_result
    then
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
