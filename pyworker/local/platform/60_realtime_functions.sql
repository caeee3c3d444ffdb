-- What a subscription is checked with. `cast` raises when the text is no value of that type.
create or replace function realtime.cast(val text, type_ regtype)
returns jsonb
language plpgsql
immutable
as $$
declare
    result jsonb;
begin
    execute format('select to_jsonb(%L::%s)', val, type_) into result;
    return result;
end;
$$;

create or replace function realtime.to_regrole(role_name text)
returns regrole
language sql
immutable
as $$
    select role_name::regrole;
$$;

create or replace function realtime.subscription_check_filters()
returns trigger
language plpgsql
as $$
declare
    -- Column name -> type, of the columns that the subscriber's role may select.
    readable jsonb := (
        select coalesce(jsonb_object_agg(a.attname, a.atttypid), '{}')
        from pg_catalog.pg_attribute as a
        where a.attrelid = new.entity
            and a.attnum > 0
            and not a.attisdropped
            and has_column_privilege(new.claims ->> 'role', a.attrelid, a.attnum, 'select')
    );
    wanted realtime.user_defined_filter;
    selected text;
    column_type regtype;
begin
    foreach wanted in array new.filters loop
        column_type := (readable ->> wanted.column_name)::oid::regtype;
        if column_type is null then
            raise exception 'invalid column for filter %', wanted.column_name;
        end if;

        if wanted.op = 'in' then
            if cardinality(wanted.value::text[]) > 100 then
                raise exception 'too many values for `in` filter, the maximum is 100';
            end if;
            perform realtime.cast(wanted.value, (column_type::text || '[]')::regtype);
        elsif wanted.op = 'is' then
            if lower(wanted.value) not in ('null', 'true', 'false', 'unknown') then
                raise exception 'invalid value for `is` filter: %', wanted.value;
            end if;
        else
            perform realtime.cast(wanted.value, column_type);
        end if;
    end loop;

    foreach selected in array coalesce(new.selected_columns, '{}') loop
        if not readable ? selected then
            raise exception 'invalid column for select %', selected;
        end if;
    end loop;

    -- Sorted, so that the same wish in another order is the same row for the unique index.
    new.filters := coalesce(
        (
            select array_agg(f order by f.column_name, f.op, f.value, f.negate)
            from unnest(new.filters) as f
        ),
        '{}'
    );
    new.selected_columns := (
        select array_agg(c order by c) from unnest(new.selected_columns) as c
    );
    return new;
end;
$$;

alter function realtime.cast(text, regtype) owner to supabase_realtime_admin;
alter function realtime.to_regrole(text) owner to supabase_realtime_admin;
alter function realtime.subscription_check_filters() owner to supabase_realtime_admin;
