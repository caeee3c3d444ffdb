begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

select is(freshness.lease_owner('user:1'), 'user:1', 'a card''s lease is held by its user');
select is(freshness.lease_owner('stream:0af3:user:a:b'), 'user:a:b', 'a stream''s lease is its user''s');
select is(freshness.lease_owner('stream:0af3'), '0af3', 'a stream of nobody is its own');
insert into freshness.watches (data_type, symbol, watcher, lease_until) values
('pgtap_quote', 'A', 'user:1', now() + interval '1 hour'),
('pgtap_quote', 'A', 'stream:1:user:1', now() + interval '2 hours'),
('pgtap_quote', 'B', 'stream:1:user:1', now() + interval '1 hour'),
('pgtap_quote', 'C', 'stream:2:user:1', now() - interval '1 second'),
('pgtap_quote', 'D', 'stream:3:user:11', now() + interval '1 hour');
select results_eq(
    $$ select symbol, lease_until from freshness.leased_keys('user:1') order by symbol $$,
    $$ values ('A', now() + interval '2 hours'), ('B', now() + interval '1 hour') $$, 'each key once, until the last end'
);
select is_empty($$ select * from freshness.leased_keys('user:') $$, 'no name is a part of another');

-- So many that an index is worth it.
insert into freshness.watches (data_type, symbol, watcher, lease_until)
select 'pgtap_quote', n::text, format('stream:%s:user:%s', n, n % 1000), now() + interval '1 hour'
from generate_series(1, 20000) as n;
analyze freshness.watches;
create function pg_temp.plan_of() returns text language plpgsql as $$
declare
    v_line text;
    v_plan text := '';
begin
    for v_line in
        explain select from freshness.watches as w where freshness.lease_owner(w.watcher) = 'user:7' and w.lease_until > now()
    loop
        v_plan := v_plan || v_line;
    end loop;
    return v_plan;
end
$$;
select alike(pg_temp.plan_of(), '%watches_leases_of%', 'they are found by index');

select * from finish();
rollback;
