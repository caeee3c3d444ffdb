begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

select throws_ok(
    $$ insert into freshness.sources (name) values ('no good name') $$, '23514', null, 'a name is short and plain'
);
select throws_ok(
    $$ insert into freshness.sources (name, calls_per_minute) values ('pgtap', 0) $$, '23514', null,
    'a source that allows no call is none'
);
select throws_ok(
    $$ insert into freshness.sources (name, calls_per_minute, burst) values ('pgtap', 10, 11) $$, '23514', null,
    'a burst is part of a minute'
);
select has_index('freshness', 'spent_calls', 'spent_calls_source', 'a source''s calls are found by their time');
select is_empty(
    $$
    select c.oid::regclass from pg_class as c
    where
        c.relnamespace = 'freshness'::regnamespace and c.relkind = 'r' and c.relpersistence = 'p'
        and c.relreplident <> 'f'
        and not exists (select from pg_index as i where i.indrelid = c.oid and i.indisprimary)
    $$, 'rows of each table can still be changed and deleted when all tables are published'
);

select * from finish();
rollback;
