begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(12);

select col_is_pk('freshness', 'jobs', array['data_type', 'symbol'], 'a key cannot have a second job');
select lives_ok(
    $$ insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap', 'A', now()) $$,
    'a job needs a key and a moment'
);
select throws_ok(
    $$ insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap', 'A', now()) $$, '23505', null,
    'a second job for the key is refused'
);
select throws_ok(
    $$ update freshness.jobs set state = 'running' where data_type = 'pgtap' $$, '23514', null,
    'a running job has a worker and a fence'
);
select throws_ok(
    $$ update freshness.jobs set fence = 1, worker = 1, started_at = now() where data_type = 'pgtap' $$, '23514', null,
    'a job that does not run has none'
);
select throws_ok(
    $$ insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap', repeat('x', 201), now()) $$, '23514',
    null, 'a symbol has at most 200 characters'
);
select throws_ok(
    $$ insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap', '', now()) $$, '23514', null,
    'and one at least'
);
select throws_ok(
    $$ insert into freshness.jobs (data_type, symbol, priority, run_at) values ('pgtap', 'B', 10, now()) $$, '23514',
    null, 'a priority is at most 9'
);
select throws_ok(
    $$ update freshness.jobs set priority = -1 where data_type = 'pgtap' $$, '23514', null, 'and not negative'
);
update freshness.jobs set not_before = now() + interval '1 hour' where data_type = 'pgtap';
select is(due_at, now() + interval '1 hour', 'not_before holds a job back')
from freshness.jobs where data_type = 'pgtap';
update freshness.jobs set not_before = now() - interval '1 hour' where data_type = 'pgtap';
select is(due_at, run_at, 'a not_before that has passed does not make it earlier')
from freshness.jobs where data_type = 'pgtap';
update freshness.jobs set not_before = null where data_type = 'pgtap';
select is(due_at, run_at, 'without not_before a job is due at run_at')
from freshness.jobs where data_type = 'pgtap';

select * from finish();
rollback;
