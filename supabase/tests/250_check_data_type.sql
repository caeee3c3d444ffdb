begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(11);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
select throws_ok(
    format('select freshness.register_data_type(''x'', ''freshness_pgtap.quotes'', %s)', a.arguments), 'FR002', a.says,
    a.says || ' is refused'
)
from (
    values
    ('ttl => null', 'ttl is null'),
    ('ttl => ''-1 minute''', 'ttl is -00:01:00'),
    ('ttl => ''1 minute'', refresh_ahead => ''soon''', 'refresh_ahead is no interval: ''soon'''),
    ('ttl => ''1 minute'', refresh_ahead => ''1 minute''', 'refresh_ahead is 00:01:00'),
    ('ttl => ''1 minute'', jitter => ''-1 second''', 'jitter is -00:00:01'),
    ('ttl => ''1 minute'', keep_warm => null', 'keep_warm is null'),
    ('ttl => ''1 minute'', keep_warm => ''300000 years''', 'keep_warm is 300000 years')
) as a (arguments, says);
select throws_ok(
    $$ update freshness.data_types set ttl = '0' where name = 'pgtap_quote' $$, 'FR002', 'ttl is 00:00:00',
    'whoever writes the registry is checked'
);
select throws_ok(
    $$ update freshness.data_types set timestamp_column = 'at' where name = 'pgtap_quote' $$, 'FR002',
    'column "at" of table freshness_pgtap.quotes does not exist', 'against the catalog too'
);
select throws_ok(
    $$ update freshness.data_types set not_before_function = 'public.nope' where name = 'pgtap_quote' $$, 'FR002',
    null, 'so are functions'
);
select throws_ok(
    $$ update freshness.data_types set name = 'pgtap_other' where name = 'pgtap_quote' $$, 'FR002',
    'data type pgtap_quote cannot be renamed', 'a data type keeps its name'
);

select * from finish();
rollback;
