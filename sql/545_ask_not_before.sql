-- Until when a provider is closed, as the data type's not-before function says. Registration writes a static call, like
-- the look function, so that its plan is kept.

create function freshness.define_not_before(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
set client_min_messages = warning
as $define$
declare
    v_name text := 'not_before_' || p_data_type;
    v_function text := (select t.not_before_function from freshness.data_types as t where t.name = p_data_type);
    v_body text := format(
        'begin return query select k.symbol, %s(k.symbol), null::text from unnest(p_symbols) as k (symbol); end',
        v_function
    );
begin
    if v_function is null then
        execute format('drop function if exists freshness.%I(text[])', v_name);
    elsif not exists (
        select from pg_catalog.pg_proc as f
        where f.pronamespace = 'freshness'::regnamespace and f.proname = v_name and f.prosrc = v_body
    ) then
        execute format(
            'create or replace function freshness.%1$I(p_symbols text[])'
            ' returns table (symbol text, closed_until timestamptz, problem text)'
            ' language plpgsql rows 10 set search_path = pg_temp as %2$L;'
            ' revoke all on function freshness.%1$I(text[]) from public;'
            ' alter function freshness.%1$I(text[]) owner to %3$s',
            v_name, v_body, freshness.owner_name()
        );
    end if;
end
$define$;

comment on function freshness.define_not_before(text) is
    'Writes the function that asks a data type''s not-before function: freshness."not_before_<name>"(symbols).';

create function freshness.ask_not_before(p_data_type text, p_symbols text[])
returns table (symbol text, closed_until timestamptz, problem text)
language plpgsql
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
declare
    v_half integer := cardinality(p_symbols) / 2;
begin
    return query execute format('select * from freshness.%I($1)', 'not_before_' || p_data_type) using p_symbols;
exception
    when others or assert_failure then
        if v_half > 0 and sqlstate !~ '^(40|42|53|55|57)' then
            return query
            select * from freshness.ask_not_before(p_data_type, p_symbols[:v_half])
            union all
            select * from freshness.ask_not_before(p_data_type, p_symbols[v_half + 1:]);
            return;
        end if;
        return query
        select s.symbol, null::timestamptz, 'not_before_function: ' || sqlstate || ' ' || sqlerrm
        from unnest(p_symbols) as s (symbol);
end
$$;

comment on function freshness.ask_not_before(text, text[]) is
    'For each symbol until when its provider is closed (null or past: open), or the problem that its data type''s'
    ' not-before function raised for it.';
