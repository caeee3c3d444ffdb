begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

insert into freshness.events (kind, happened_at, message) values ('error', now() - interval '8 days', 'pgtap old');
insert into freshness.events (kind, message) values ('error', 'pgtap new');
insert into freshness.workers (name, heartbeat_limit, started_at, seen_at) values
('pgtap old', '15 seconds', now() - interval '8 days', now() - interval '2 hours'),
('pgtap seen', '15 seconds', now() - interval '8 days', now()),
('pgtap asleep', '15 seconds', now() - interval '8 days', now() - interval '2 hours');
insert into freshness.sleepers (channel, worker, data_types, listener, asleep_until, looked_at)
select 'pgtap', w.id, '{}', pg_backend_pid(), 'infinity', now() from freshness.workers as w where w.name = 'pgtap asleep';
do $$
begin
    perform freshness.prune();
end
$$;
select is_empty(
    $$ select 1 from freshness.events where message = 'pgtap old' $$, 'history of more than a week is gone'
);
select isnt_empty($$ select 1 from freshness.events where message = 'pgtap new' $$, 'the rest is kept');
select results_eq(
    $$ select name from freshness.workers where name like 'pgtap%' order by name $$,
    $$ values ('pgtap asleep'), ('pgtap seen') $$, 'a worker that never left goes when nothing is heard of it'
);
insert into freshness.spent_days values ('pgtap_api', current_date - 40, 1, 1), ('pgtap_api', current_date - 5, 1, 1);
do $$
begin
    perform freshness.prune();
end
$$;
select results_eq(
    $$ select day from freshness.spent_days where source = 'pgtap_api' $$, $$ select current_date - 5 $$,
    'days that no budget counts any more are gone'
);

select * from finish();
rollback;
