begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

select throws_ok(
    $$ insert into freshness.events (kind) values ('other') $$, '23514', null, 'the kind of an event is a known word'
);
select lives_ok(
    $$ insert into freshness.events (kind, message) values ('error', 'why') $$, 'an error needs no key'
);

select * from finish();
rollback;
