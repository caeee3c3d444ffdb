begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create function freshness_pgtap.until(p_channel text) returns timestamptz
language sql as $$ select freshness.understudy_until(p_channel, 0, array['pgtap_quote']) $$;
insert into freshness.sleepers (channel, worker, data_types, listener, asleep_until, looked_at)
values ('pgtap_b', 0, array['pgtap_quote'], pg_backend_pid(), 'infinity', clock_timestamp());

select is(freshness_pgtap.until('pgtap_b'), null, 'with nothing due there is nothing to look after');
insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap_quote', 'A', now() + interval '20 seconds');
select is(freshness_pgtap.until('pgtap_b'), now() + interval '21 seconds', 'a second after the next deadline');
select is(freshness_pgtap.until('pgtap_c'), null, 'one of the sleepers is enough');

insert into freshness.workers (name, heartbeat_limit, seen_at) values ('pgtap alive', '5 seconds', now());
update freshness.jobs
set state = 'running', worker = w.id, fence = nextval('freshness.fences'), started_at = now()
from freshness.workers as w where data_type = 'pgtap_quote' and w.name = 'pgtap alive';
select is(freshness_pgtap.until('pgtap_b'), now() + interval '5 seconds', 'and when a heartbeat is missed');
select lives_ok(
    $$ select freshness.call_understudy(w.id, array['pgtap_quote']) from freshness.workers as w $$, 'one is called'
);
select lives_ok($$ select freshness.call_understudy(-1, array['pgtap_quote']) $$, 'who is not known calls nobody');

select * from finish();
rollback;
