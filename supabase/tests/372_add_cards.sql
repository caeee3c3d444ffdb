begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated, service_role;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
create table freshness_pgtap.secrets (symbol text primary key, fetched_at timestamptz);
create table freshness_pgtap.news (id integer primary key, fetched_at timestamptz);
grant select on freshness_pgtap.quotes, freshness_pgtap.news to authenticated, service_role;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_secret', 'freshness_pgtap.secrets', ttl => '1 minute');
    perform freshness.register_data_type(
        'pgtap_news', 'freshness_pgtap.news', ttl => '1 minute', symbol_column => null
    );
end
$$;
insert into freshness_pgtap.quotes values ('FRESH', 1, now()), ('OLD', 1, now() - interval '1 hour');

select results_eq(
    $$
    select data_type, symbol, status from freshness.add_cards(
        array['pgtap_secret', 'pgtap_quote', 'nope', 'pgtap_news'], array['A', 'OLD', 'A', ''], 'user:1',
        'authenticated'
    )
    $$,
    $$
    values ('pgtap_secret', 'A', 'forbidden'), ('pgtap_quote', 'OLD', 'queued'), ('nope', 'A', 'unknown_data_type'),
    ('pgtap_news', 'GLOBAL', 'queued')
    $$,
    'keys of a table that the role may not select are forbidden, the others are handled, in the order asked'
);
select set_eq(
    $$ select data_type, symbol from freshness.watches where watcher = 'user:1' $$,
    $$ values ('pgtap_quote', 'OLD'), ('pgtap_news', 'GLOBAL') $$, 'only what may be read is watched'
);
select set_eq(
    $$ select symbol, priority::integer from freshness.jobs where data_type like 'pgtap%' $$,
    $$ values ('OLD', 1), ('GLOBAL', 1) $$, 'with the priority of cards'
);
create function pg_temp.refusal(p_statement text)
returns text
language plpgsql
as $$
declare
    v_message text;
    v_detail text;
begin
    execute p_statement;
    return 'not refused';
exception
    when sqlstate 'PGRST' then
        get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail;
        return (v_detail::jsonb ->> 'status') || ' ' || (v_message::jsonb ->> 'message');
end
$$;
update freshness.card_limits set keys_per_call = 1, keys_per_user = 2, lease = '10 minutes';
select alike(
    pg_temp.refusal($$ select freshness.add_cards(array['pgtap_quote'], array['FRESH'], 'user:1', 'authenticated') $$), '429 %', 'a user has a limit'
);
select lives_ok(
    $$
    select freshness.add_cards(
        array['pgtap_quote', 'pgtap_quote', 'pgtap_quote'], array['A', 'B', 'C'], 'server', 'service_role'
    )
    $$,
    'server code has none'
);
select ok(
    bool_and(lease_until between now() + interval '9 minutes' and now() + interval '11 minutes'),
    'a lease is as long as the limits say'
)
from freshness.watches where watcher = 'server';

select * from finish();
rollback;
