begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('A', 1, now()), ('B', 1, now()), ('C', 1, now());
insert into freshness.watches (data_type, symbol, watcher, lease_until)
select 'pgtap_quote', s, 'user:1', now() + interval '1 hour' from unnest(array['A', 'B']) as s;
insert into freshness.jobs (data_type, symbol, run_at, viewers)
values ('pgtap_quote', 'B', now() + interval '1 minute', 1);
create function freshness_pgtap.fold(p_reason text, variadic p_symbols text[])
returns void
language sql
as $$
    select freshness.fold_keys('pgtap_quote', array(
        select row(null, null, 'pgtap_quote', s, null, null, p_reason)::freshness.pulls from unnest(p_symbols) as s
    ))
$$;
do $$
begin
    perform freshness_pgtap.fold('subscribed', 'A', 'B');
end
$$;
select results_eq(
    $$ select symbol, viewers from freshness.jobs where data_type = 'pgtap_quote' order by symbol $$,
    $$ values ('A', 1), ('B', 1) $$, 'keys that are watched have their jobs'
);
select results_eq(
    $$ select symbol, reason from freshness.pulls where data_type = 'pgtap_quote' $$, $$ values ('B', 'watched') $$,
    'one that looked right, and was not watched before, is looked at once more'
);
do $$
begin
    delete from freshness.pulls where data_type = 'pgtap_quote';
    perform freshness_pgtap.fold('watched', 'A', 'B');
end
$$;
select is_empty($$ select 1 from freshness.pulls where data_type = 'pgtap_quote' $$, 'and that is all');
update freshness.data_types set ttl = '1 hour' where name = 'pgtap_quote';
alter table freshness.jobs add constraint nothing_is_right check (viewers <> 2) not valid;
insert into freshness.watches (data_type, symbol, watcher, lease_until)
values ('pgtap_quote', 'A', 'user:2', now() + interval '1 hour');
do $$
begin
    perform freshness_pgtap.fold('watched', 'A');
end
$$;
select matches(
    message, '^keys of pgtap_quote not looked at: .*nothing_is_right', 'an error that nobody foresaw is put on record'
)
from freshness.events where kind = 'error' and data_type = 'pgtap_quote';

select * from finish();
rollback;
