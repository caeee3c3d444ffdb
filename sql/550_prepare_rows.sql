-- Writing what a refresher returned. The rows go in as they are meant, or not at all: each check raises, and the
-- caller's transaction takes everything back.

create function freshness.prepare_rows(p_type freshness.data_types, p_symbol text, p_rows jsonb, p_as_of timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_temp
set timezone = 'UTC'
as $$
declare
    v_other text;
    v_has_zone boolean := (
        select a.atttypid = 'timestamptz'::regtype from pg_catalog.pg_attribute as a
        where a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column
    );
begin
    if
        jsonb_typeof(p_rows) is distinct from 'array'
        or jsonb_path_exists(p_rows, 'strict $[*] ? (@.type() != "object")')
    then
        raise exception using errcode = 'FR007',
            message = 'a refresher returns a list of rows, each a mapping of columns',
            hint = 'Return [] when the source has nothing for the symbol.';
    end if;

    select min(c.given) into v_other
    from freshness.canonical_symbols(
        p_type.name,
        array(
            select r.value ->> p_type.symbol_column from jsonb_array_elements(p_rows) as r
            where r.value ->> p_type.symbol_column is not null
        )
    ) as c
    where p_type.symbol_column is not null and c.symbol is distinct from p_symbol;
    if v_other is not null then
        raise exception using errcode = 'FR005',
            message = format('rows for another symbol: %s, asked for %s', left(v_other, 200), p_symbol),
            hint = 'A refresher returns rows for the symbol of its job only.';
    end if;

    -- A text with an offset would lose it in a column without a zone.
    return (
        select coalesce(jsonb_agg(
            r.value
            || case
                when p_type.symbol_column is null then '{}'
                else jsonb_build_object(p_type.symbol_column, p_symbol)
            end
            || jsonb_build_object(
                p_type.timestamp_column,
                case
                    when r.value ->> p_type.timestamp_column is null then
                        case
                            when v_has_zone then to_jsonb(p_as_of)
                            else to_jsonb(p_as_of at time zone p_type.time_zone)
                        end
                    when
                        not v_has_zone
                        and r.value ->> p_type.timestamp_column ~ '\d\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$'
                        then
                        to_jsonb((r.value ->> p_type.timestamp_column)::timestamptz at time zone p_type.time_zone)
                    else r.value -> p_type.timestamp_column
                end
            )
        ), '[]')
        from jsonb_array_elements(p_rows) as r
    );
end
$$;

comment on function freshness.prepare_rows(freshness.data_types, text, jsonb, timestamptz) is
    'Rows (a json array of objects by column) with their symbol, and with the fetch''s "as of" where they carry no'
    ' timestamp. FR005: a row of another symbol. FR007: not a list of objects.';
