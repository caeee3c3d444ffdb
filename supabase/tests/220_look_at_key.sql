begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
do $$
begin
    perform freshness.register_data_type(
        'pgtap_jitter', 'freshness_pgtap.quotes', ttl => '1 day', jitter => '1 hour', refresh_ahead => '1 minute'
    );
    perform freshness.register_data_type(
        'pgtap_global', 'freshness_pgtap.quotes', ttl => '1 minute', symbol_column => null, write_mode => 'append'
    );
end
$$;
insert into freshness_pgtap.quotes values
('FRESH', 1, now()), ('OLD', 1, now() - interval '1 hour'), ('UNKNOWN', 1, null), ('VERIFIED', 1, now() - interval '1 hour'),
('SOON', 1, now() - interval '50 seconds'), ('FUTURE', 1, now() + interval '1 day'), ('FOREVER', 1, 'infinity');
insert into freshness.jobs (data_type, symbol, run_at, stored_at, verified_at)
select t.name, k.symbol, now(), now() - interval '1 hour', now() - interval '10 seconds'
from freshness.data_types as t
cross join unnest(array['VERIFIED', 'GONE']) as k (symbol)
where t.name in ('pgtap_quote', 'pgtap_jitter');
do $$
declare
    v_type freshness.data_types;
begin
    for v_type in select t.* from freshness.data_types as t where t.name like 'pgtap%' loop
        execute format(
            'create function freshness_pgtap.%I(p_symbol text) returns timestamptz[] language plpgsql as %L',
            v_type.name,
            format(
                $body$
                <<k>>
                declare
                    symbol text := p_symbol;
                    t record;
                    v_now timestamptz;
                    v_stored_at timestamptz;
                    v_fresh_until timestamptz;
                    v_refresh_at timestamptz;
                begin
                    select d.ttl, d.refresh_ahead, d.jitter, o.stored_at, o.verified_at into t
                    from freshness.data_types as d
                    left join freshness.jobs as o on o.data_type = d.name and o.symbol = p_symbol
                    where d.name = %L;%s
                    return array[v_stored_at, v_fresh_until, v_refresh_at];
                end
                $body$,
                v_type.name, freshness.look_at_key(v_type)
            )
        );
    end loop;
end
$$;
create function freshness_pgtap.look_at_key(p_data_type text, p_symbol text) returns timestamptz[]
language plpgsql as $$
declare
    v_times timestamptz[];
begin
    execute format('select freshness_pgtap.%I($1)', p_data_type) into v_times using p_symbol;
    return v_times;
end
$$;
select results_eq(
    $$
    select k.data_type, k.symbol, freshness_pgtap.look_at_key(k.data_type, k.symbol)
    from unnest(array['pgtap_quote', 'pgtap_jitter']) as d (data_type)
    cross join unnest(array[
        'FRESH', 'OLD', 'UNKNOWN', 'VERIFIED', 'GONE', 'SOON', 'FUTURE', 'FOREVER', 'MISSING'
    ]) as s (symbol)
    cross join lateral (select d.data_type, s.symbol) as k
    order by 1, 2
    $$,
    $$
    select d.data_type, l.symbol, array[l.stored_at, l.fresh_until, l.refresh_at]
    from unnest(array['pgtap_quote', 'pgtap_jitter']) as d (data_type)
    cross join lateral freshness.look(d.data_type, array[
        'FRESH', 'OLD', 'UNKNOWN', 'VERIFIED', 'GONE', 'SOON', 'FUTURE', 'FOREVER', 'MISSING'
    ]) as l
    order by 1, 2
    $$,
    'one key is looked at as many are'
);
select is(
    freshness_pgtap.look_at_key('pgtap_global', 'GLOBAL'),
    array[now() - interval '0', now() + interval '1 minute', now() + interval '1 minute'],
    'also the one of a global table'
);

select * from finish();
rollback;
