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
create table freshness_pgtap.profiles (like freshness_pgtap.quotes including all);
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
do $$
begin
    perform freshness.register_data_type('pgtap_profile', 'freshness_pgtap.profiles', ttl => '1 minute');
end
$$;
create function freshness_pgtap.claim(p_data_types text[], p_limit integer) returns text[]
language sql as $$
    select coalesce(array_agg(c.symbol order by c.symbol), '{}')
    from freshness_pgtap.worker as w cross join lateral freshness.claim(w.id, p_data_types, p_limit) as c
$$;
insert into freshness_pgtap.quotes values ('FRESH', 1, now());
insert into freshness.watches (data_type, symbol, watcher, lease_until)
select t, s, 'user:1', now() + interval '1 hour'
from unnest(array['FRESH', 'OLDEST', 'OLDER', 'URGENT', 'LATER']) as s,
unnest(array['pgtap_quote', 'pgtap_profile']) as t;
insert into freshness.jobs (data_type, symbol, priority, run_at) values
('pgtap_quote', 'OLDER', 0, now() - interval '1 minute'), ('pgtap_quote', 'OLDEST', 0, now() - interval '1 hour'),
('pgtap_quote', 'URGENT', 5, now()), ('pgtap_quote', 'FRESH', 9, now()), ('pgtap_quote', 'UNWATCHED', 9, now()),
('pgtap_quote', 'LATER', 9, now() + interval '1 hour');

select is(freshness_pgtap.claim('{}', 10), '{}', 'a worker gets only what it can refresh');
select is(freshness_pgtap.claim(array['pgtap_quote'], 0), '{}', 'and no more than it has room for');
select is(
    freshness_pgtap.claim(array['pgtap_quote'], 2), '{OLDEST,URGENT}',
    'the most urgent first, then the longest due; fresh and unwatched keys make room'
);
select is(freshness_pgtap.claim(array['pgtap_quote'], 10), '{OLDER}', 'what runs is not claimed again');
select set_eq(
    $$ select symbol, state::text, run_at > clock_timestamp() from freshness.jobs where data_type = 'pgtap_quote' $$,
    $$
    values ('URGENT', 'running', true), ('OLDEST', 'running', true), ('OLDER', 'running', true),
    ('FRESH', 'scheduled', true), ('UNWATCHED', 'scheduled', true), ('LATER', 'scheduled', true)
    $$,
    'the others wait for their deadline'
);
insert into freshness.jobs (data_type, symbol, run_at) values
('pgtap_quote', 'A', now() - interval '1 minute'), ('pgtap_profile', 'OLDEST', now() - interval '1 hour');
insert into freshness.watches (data_type, symbol, watcher, lease_until)
values ('pgtap_quote', 'A', 'user:1', now() + interval '1 hour');
select is(
    freshness_pgtap.claim(array['pgtap_quote', 'pgtap_profile'], 1), '{OLDEST}',
    'the longest due goes first whatever its data type, so that none is starved'
);
select throws_ok(
    $$ select * from freshness.claim(-1, array['pgtap_quote'], 1) $$, 'FR004', null, 'a worker announces itself first'
);

create table freshness_pgtap.news (like freshness_pgtap.quotes including all);
create function freshness_pgtap.is_old(timestamptz, integer) returns boolean
language sql as 'select $1 <= now() - make_interval(mins => $2)';
do $$
begin
    perform freshness.register_data_type(
        'pgtap_news', 'freshness_pgtap.news', ttl => '1 minute', staleness_function => 'freshness_pgtap.is_old'
    );
end
$$;
insert into freshness_pgtap.quotes select 'SOON', 1, now() - interval '50 seconds';
insert into freshness_pgtap.news select 'SOON', 1, now() - interval '50 seconds';
do $$
begin
    perform freshness.watch(array['pgtap_quote', 'pgtap_news'], array['SOON', 'SOON'], 'user:1');
end
$$;
update freshness.jobs set run_at = now() + interval '10 seconds' where data_type = 'pgtap_news';
create table freshness_pgtap.ahead as
select c.*
from freshness_pgtap.worker as w
cross join lateral freshness.claim(
    w.id, array['pgtap_quote', 'pgtap_news'], 10, p_lead => interval '20 seconds'
) as c;
select set_eq(
    $$ select data_type, symbol, due_at from freshness_pgtap.ahead where symbol = 'SOON' $$,
    $$ values ('pgtap_quote', 'SOON', now() + interval '10 seconds') $$,
    'with a lead it takes what will be due by then, and says when; but a staleness function cannot be asked ahead'
);
select ok(
    started_at < due_at, 'its "as of" is the claim: a refresh asked for from now on is not satisfied by this one'
) from freshness_pgtap.ahead where symbol = 'SOON';
select is(
    (select j.waited from freshness.jobs as j where j.data_type = 'pgtap_quote' and j.symbol = 'SOON'),
    0::real, 'and it is in time'
);
select ok(due_at = now() + interval '10 seconds' and state = 'scheduled', 'the other one waits for its deadline')
from freshness.jobs where data_type = 'pgtap_news' and symbol = 'SOON';

select * from finish();
rollback;
