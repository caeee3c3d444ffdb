begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

select lives_ok(
    $$ insert into freshness.pulls (data_type, symbol, reason) values ('pgtap', 'A', 'watched') $$,
    'a pull names a key'
);
select lives_ok(
    $$ insert into freshness.pulls (subscription_row, reason) values (1, '55P03 locked') $$,
    'or a subscription that could not be read'
);
select lives_ok(
    $$ insert into freshness.pulls (data_type, symbol, reason) values ('pgtap', 'A', 'watched') $$,
    'the same pull twice waits for nobody'
);
select throws_ok(
    $$ insert into freshness.pulls (data_type, symbol) values ('pgtap', 'A') $$, '23502', null,
    'a pull says why'
);

select * from finish();
rollback;
