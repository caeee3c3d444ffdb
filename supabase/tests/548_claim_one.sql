begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(15);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
create table freshness_pgtap.news (like freshness_pgtap.quotes including all);
do $$
begin
    perform freshness.register_source('pgtap', calls_per_minute => 1000);
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_news', 'freshness_pgtap.news', ttl => '1 minute');
end
$$;
create table freshness_pgtap.worker as
select freshness.announce_worker('pgtap') as id, freshness.announce_worker('other') as other;
create function freshness_pgtap.one(p_lead interval default '0')
returns table (data_type text, symbol text, next_moment timestamptz)
language sql as $$
    select o.data_type, o.symbol, o.next_moment
    from freshness_pgtap.worker as w
    cross join lateral freshness.claim_one(w.id, array['pgtap_quote', 'pgtap_news'], p_lead) as o
$$;
-- Makes A of quotes due, and nothing else.
create function freshness_pgtap.begin_anew() returns void
language sql as $$
    delete from freshness.jobs;
    delete from freshness.pulls;
    insert into freshness.jobs (data_type, symbol, run_at, requested_at) values
    ('pgtap_quote', 'A', now(), now()), ('pgtap_quote', 'B', now() + interval '1 hour', null),
    ('pgtap_news', 'A', now() + interval '50 minutes', null)
$$;

select freshness_pgtap.begin_anew();
select results_eq(
    'select * from freshness_pgtap.one()',
    $$ values ('pgtap_quote', 'A', now() + interval '50 minutes') $$,
    'what is due alone is claimed, and the next moment said'
);
select is_empty('select * from freshness_pgtap.one()', 'when nothing is due nothing is');
select freshness_pgtap.begin_anew();
update freshness.jobs set run_at = clock_timestamp() + interval '10 seconds' where data_type = 'pgtap_quote';
select is_empty('select * from freshness_pgtap.one()', 'nor before its time');
update freshness.jobs set run_at = clock_timestamp() + interval '20 seconds' where symbol = 'B';
select is(symbol, 'A', 'but within the lead') from freshness_pgtap.one('15 seconds');
select freshness_pgtap.begin_anew();
update freshness.jobs set run_at = now() where data_type = 'pgtap_news';
select is_empty('select * from freshness_pgtap.one()', 'two that are due have to be ranked');
select freshness_pgtap.begin_anew();
insert into freshness.pulls (data_type, symbol, reason) values ('pgtap_news', 'A', 'watched');
select is_empty('select * from freshness_pgtap.one()', 'the inbox has to be folded');
select freshness_pgtap.begin_anew();
update freshness.jobs set state = 'failed';
select is_empty('select * from freshness_pgtap.one()', 'what was set aside has to be looked at closely');
select freshness_pgtap.begin_anew();
update freshness.data_types set source = 'pgtap' where name = 'pgtap_quote';
select is_empty('select * from freshness_pgtap.one()', 'a budget has to be asked');
update freshness.data_types set source = 'pgtap' where name = 'pgtap_news';
update freshness.data_types set source = null where name = 'pgtap_quote';
update freshness.sources set opens_at = now() + interval '55 minutes';
select is(next_moment, now() + interval '55 minutes', 'a source that opens later is waited for')
from freshness_pgtap.one();

select freshness_pgtap.begin_anew();
update freshness.jobs
set state = 'running', worker = (select other from freshness_pgtap.worker), fence = 0, started_at = now()
where symbol = 'B';
select is(next_moment, seen_at + heartbeat_limit, 'one that runs something may miss its heartbeat')
from freshness_pgtap.one()
cross join freshness.workers where name = 'other';
select freshness_pgtap.begin_anew();
update freshness.jobs set state = 'running', worker = 0, fence = 0, started_at = now() where symbol = 'B';
select is_empty('select * from freshness_pgtap.one()', 'what a dead one ran has to be taken over');

alter table freshness_pgtap.quotes rename to prices;
select freshness_pgtap.begin_anew();
select is_empty('select * from freshness_pgtap.one()', 'nor has a table that was renamed been looked at');
do $$
begin
    perform freshness.claim(w.id, array['pgtap_quote'], 1) from freshness_pgtap.worker as w;
end
$$;
select freshness_pgtap.begin_anew();
select is(symbol, 'A', 'until a claim has found its new name') from freshness_pgtap.one();

select freshness_pgtap.begin_anew();
update freshness.workers set seen_at = clock_timestamp() + interval '1 hour' where name = 'pgtap';
select is_empty('select * from freshness_pgtap.one()', 'after the clock was set back there is more to do');
delete from freshness.workers where name = 'pgtap';
select is_empty('select * from freshness_pgtap.one()', 'who is not announced gets nothing');

select * from finish();
rollback;
