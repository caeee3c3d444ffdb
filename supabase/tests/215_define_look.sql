begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
select has_function(
    'freshness', 'look_pgtap_quote', array['text[]', 'timestamp with time zone[]'],
    'each data type has a function that looks'
);
select ok(
    not has_function_privilege('anon', 'freshness.look_pgtap_quote(text[], timestamptz[])', 'execute'),
    'nobody else may call it'
);
create function freshness_pgtap.until_noon(timestamptz, interval) returns timestamptz
language sql stable as $$ select '2100-01-01 12:00+00'::timestamptz $$;
create function freshness_pgtap.always_stale(timestamptz, integer) returns boolean
language sql stable as $$ select true $$;
create function freshness_pgtap.never_stale(timestamptz, integer) returns boolean
language sql stable as $$ select false $$;
insert into freshness_pgtap.quotes values ('A', 1, now()), ('B', 1, now() - interval '1 hour');
do $$
begin
    perform freshness.register_data_type(
        'pgtap_noon', 'freshness_pgtap.quotes', ttl => '1 minute', deadline_function => 'freshness_pgtap.until_noon'
    );
    perform freshness.register_data_type(
        'pgtap_always', 'freshness_pgtap.quotes', ttl => '1 minute',
        staleness_function => 'freshness_pgtap.always_stale'
    );
    perform freshness.register_data_type(
        'pgtap_never', 'freshness_pgtap.quotes', ttl => '1 minute', staleness_function => 'freshness_pgtap.never_stale'
    );
    perform freshness.register_data_type('pgtap-Odd_Name', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
select is(fresh_until, '2100-01-01 12:00+00', 'a deadline function says until when a row is fresh')
from freshness.look('pgtap_noon', array['A']);
select ok(fresh_until <= clock_timestamp(), 'a staleness function can call a row stale before its deadline')
from freshness.look('pgtap_always', array['A']);
select ok(fresh_until > clock_timestamp() + interval '50 seconds', 'or fresh after it, and is asked again')
from freshness.look('pgtap_never', array['B']);
select is(fresh_until, now() + interval '1 minute', 'a name may have capitals and dashes')
from freshness.look('pgtap-Odd_Name', array['A']);

select * from finish();
rollback;
