-- The registry's own constraints stand behind this; to whoever registers a data type they say too little.
create function freshness.check_words(
    p_name text, p_write_mode text, p_priority integer, p_max_attempts integer, p_calls_per_refresh integer
)
returns void
language plpgsql
immutable
set search_path = pg_temp
as $$
declare
    v_wrong text[] := case
        when (p_name ~ '^[A-Za-z][A-Za-z0-9_-]{0,43}$') is not true then array[
            'name is ' || coalesce(quote_literal(p_name), 'null'),
            'A name has up to 44 letters, digits, ''_'' and ''-'', and begins with a letter.'
        ]
        when (p_write_mode in ('upsert', 'append', 'replace')) is not true then array[
            'write_mode is ' || coalesce(quote_literal(p_write_mode), 'null'),
            'Pass ''upsert'', ''append'' or ''replace''.'
        ]
        when (p_priority between 0 and 9) is not true then array[
            'priority is ' || coalesce(p_priority::text, 'null'), 'Pass 0 to 9; higher is more urgent.'
        ]
        when (p_max_attempts between 1 and 32767) is not true then array[
            'max_attempts is ' || coalesce(p_max_attempts::text, 'null'), 'Pass 1 to 32767.'
        ]
        when (p_calls_per_refresh between 1 and 32767) is not true then array[
            'calls_per_refresh is ' || coalesce(p_calls_per_refresh::text, 'null'), 'Pass 1 to 32767.'
        ]
    end;
begin
    if v_wrong is not null then
        raise exception using errcode = 'FR002', message = v_wrong[1], hint = v_wrong[2];
    end if;
end
$$;

comment on function freshness.check_words(text, text, integer, integer, integer) is
    'Refuses with FR002 a name, write mode or number that a data type cannot have, and says what it can.';
