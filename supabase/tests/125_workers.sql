begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

select throws_ok(
    $$ insert into freshness.workers (name, heartbeat_limit) values ('w', '1 millisecond') $$, '23514', null,
    'a heartbeat limit is a second or longer'
);
select lives_ok(
    $$ insert into freshness.workers (name, heartbeat_limit) values ('w', '15 seconds'), ('w', '15 seconds') $$,
    'two workers may have the same name'
);

select * from finish();
rollback;
