begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

-- Many jobs of all kinds at a time, the same ones for two data types of one table: one is claimed, by the plain way as
-- far as that goes, the other in rounds.
create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
insert into freshness_pgtap.quotes
select 'S' || n, n, now() - (n % 3) * interval '40 seconds' from generate_series(1, 40) as n where n % 7 > 0;
do $$
begin
    perform freshness.register_source('pgtap_api', calls_per_minute => 1000000);
    perform freshness.register_data_type('pgtap_plain', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_rounds', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
insert into freshness.watches (data_type, symbol, watcher, lease_until)
select t, 'S' || n, 'user:' || u, now() + interval '1 hour'
from unnest(array['pgtap_plain', 'pgtap_rounds']) as t
cross join generate_series(1, 40) as n
cross join generate_series(1, 2) as u
where n % 4 >= u;
delete from freshness.pulls;
create table freshness_pgtap.claimed (number integer, data_type text, symbol text, job jsonb);
create table freshness_pgtap.after (number integer, data_type text, symbol text, job jsonb);

create function freshness_pgtap.try(p_number integer) returns void
language plpgsql as $$
declare
    v_worker bigint := (select id from freshness_pgtap.worker);
    v_limit integer := 1 + floor(random() * 30);
begin
    delete from freshness.jobs;
    update freshness.data_types set source = case when p_number % 2 = 0 then 'pgtap_api' end, look_reads = look_reads;
    delete from freshness.pulls;
    -- Whole seconds and viewers far apart: which comes first does not depend on the moment.
    insert into freshness.jobs (
        data_type, symbol, priority, state, run_at, viewers, requested_at, required_as_of, unwatched_at, attempts,
        not_before, verified_at, stored_at, last_error, validators, alone
    )
    select
        'pgtap_plain', 'S' || n, floor(random() * 2), case when random() < 0.1 then 'failed' else 'scheduled' end
        ::freshness.job_state, now() - n * interval '10 seconds', case when random() < 0.2 then 1000 else 1 end,
        case when random() < 0.3 then now() end, case when random() < 0.1 then now() end,
        case when random() < 0.3 then now() - random() * interval '2 minutes' end, floor(random() * 3),
        case when random() < 0.2 then now() - interval '1 second' when random() < 0.1 then now() + interval '1 hour' end,
        case when random() < 0.4 then now() - interval '30 seconds' end,
        case when random() < 0.8 then now() + (random() - 0.5) * interval '3 minutes' end, 'x', '{"a": "b"}',
        random() < 0.1
    from generate_series(1, 40) as n
    where random() < 0.7;
    insert into freshness.jobs (
        data_type, symbol, priority, state, run_at, viewers, requested_at, required_as_of, unwatched_at, attempts,
        not_before, verified_at, stored_at, last_error, validators, alone
    )
    select
        'pgtap_rounds', symbol, priority, state, run_at, viewers, requested_at, required_as_of, unwatched_at, attempts,
        not_before, verified_at, stored_at, last_error, validators, alone
    from freshness.jobs;
    insert into freshness_pgtap.claimed
    select p_number, c.data_type, c.symbol, to_jsonb(c) - '{data_type,fence,started_at}'::text[]
    from freshness.claim(v_worker, '{pgtap_plain}', v_limit) as c;
    insert into freshness_pgtap.claimed
    select p_number, c.data_type, c.symbol, to_jsonb(c) - '{data_type,fence,started_at}'::text[]
    from freshness.claim_in_rounds(v_worker, '{pgtap_rounds}', v_limit, '0') as c;
    insert into freshness_pgtap.after
    select
        p_number, j.data_type, j.symbol,
        to_jsonb(j) - '{data_type,fence,started_at,waited,run_at,due_at,unwatched_at,not_before}'::text[]
        || jsonb_build_object('is_out', j.run_at = 'infinity', 'is_unwatched', j.unwatched_at is not null)
    from freshness.jobs as j;
end
$$;
select setseed(0.5);
do $$
begin
    for v_number in 1..40 loop
        perform freshness_pgtap.try(v_number);
    end loop;
end
$$;
create function freshness_pgtap.differing(p_table text) returns setof text
language plpgsql as $$
begin
    return query execute format(
        'select p.number || '' '' || p.symbol || '' '' || coalesce(p.job::text, ''none'') || '' '' || coalesce(r.job::text, ''none'')'
        ' from (select * from freshness_pgtap.%1$I where data_type = ''pgtap_plain'') as p'
        ' full join (select * from freshness_pgtap.%1$I where data_type = ''pgtap_rounds'') as r'
        ' on r.number = p.number and r.symbol = p.symbol where p.job is distinct from r.job', p_table
    );
end
$$;
select is_empty($$ select * from freshness_pgtap.differing('claimed') $$, 'both ways claim the same, and say the same of it');
select is_empty($$ select * from freshness_pgtap.differing('after') $$, 'and leave the same jobs');
select cmp_ok(count(*), '>', 300::bigint, 'many were claimed') from freshness_pgtap.claimed;

select is(count(*), 0::bigint, 'what is not to be fetched is left to the rounds')
from freshness_pgtap.worker as w
cross join lateral freshness.claim_plain(
    w.id, '{pgtap_plain}',
    array(
        select j.ctid from freshness.jobs as j
        where j.data_type = 'pgtap_plain' and (j.state = 'failed' or j.symbol not in (select symbol from freshness.watches))
        and j.requested_at is null and j.required_as_of is null
    ),
    '{}', now()
) as c;
insert into freshness.jobs (data_type, symbol, run_at, required_as_of) values ('pgtap_plain', 'NEW', now(), now());
select is(c.symbol, 'NEW', 'what is to be is not')
from freshness_pgtap.worker as w
cross join lateral freshness.claim_plain(
    w.id, '{pgtap_plain}',
    array(select j.ctid from freshness.jobs as j where j.data_type = 'pgtap_plain' and j.symbol in ('NEW', 'NONE')),
    '{}', now()
) as c;
select matches(freshness.claim_plain_body(), 'if v_type = ''pgtap_plain'' then', 'each data type has a statement');
alter table freshness_pgtap.quotes rename to prices;
delete from freshness.jobs where data_type = 'pgtap_plain';
insert into freshness.jobs (data_type, symbol, run_at, required_as_of) values ('pgtap_plain', 'S1', now(), now());
select is(count(*), 1::bigint, 'a table that was renamed is left to the rounds')
from freshness_pgtap.worker as w cross join lateral freshness.claim(w.id, '{pgtap_plain}', 10) as c;
drop table freshness_pgtap.prices;
insert into freshness.jobs (data_type, symbol, run_at, required_as_of) values ('pgtap_plain', 'S2', now(), now());
select is(count(*), 0::bigint, 'a table that was dropped harms nobody')
from freshness_pgtap.worker as w cross join lateral freshness.claim(w.id, '{pgtap_plain}', 10) as c;
delete from freshness.data_types;
select unalike(freshness.claim_plain_body(), '%update freshness.jobs%', 'without data types there is nothing to claim');

select * from finish();
rollback;
