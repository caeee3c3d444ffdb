begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(18);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.by_integer (symbol integer primary key, fetched_at timestamptz);
create table freshness_pgtap.news (id integer primary key, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_integer', 'freshness_pgtap.by_integer', ttl => '1 minute');
    perform freshness.register_data_type(
        'pgtap_news', 'freshness_pgtap.news', ttl => '1 minute', symbol_column => null
    );
end
$$;
insert into freshness_pgtap.quotes values ('FRESH', 1, now()), ('OLD', 1, now() - interval '1 hour');
select results_eq(
    $$
    select data_type, symbol, status from freshness.watch(
        array['pgtap_quote', 'nope', 'pgtap_quote', 'pgtap_quote', 'pgtap_quote', 'pgtap_integer'],
        array['OLD', 'A', 'FRESH', 'it''s, "é"', '', '007'], 'user:1'
    )
    $$,
    $$
    values ('pgtap_quote', 'OLD', 'queued'), ('nope', 'A', 'unknown_data_type'), ('pgtap_quote', 'FRESH', 'fresh'),
    ('pgtap_quote', 'it''s, "é"', 'queued'), ('pgtap_quote', '', 'invalid_symbol'), ('pgtap_integer', '7', 'queued')
    $$,
    'keys are answered in the order asked, the unknown ones too'
);
select set_eq(
    $$ select symbol from freshness.watches where watcher = 'user:1' and lease_until > now() + interval '4 minutes' $$,
    array['OLD', 'FRESH', 'it''s, "é"', '7'], 'each valid key has a lease'
);
select set_eq(
    $$ select symbol, due_at <= clock_timestamp() from freshness.jobs where data_type like 'pgtap%' $$,
    $$ values ('OLD', true), ('FRESH', false), ('it''s, "é"', true), ('7', true) $$, 'and a job'
);
create table freshness_pgtap.before as select lease_until
from freshness.watches where watcher = 'user:1' and symbol = 'OLD';
do $$
begin
    perform freshness.watch(array['pgtap_quote'], array['OLD'], 'user:1');
end
$$;
select is(
    (select lease_until from freshness.watches where watcher = 'user:1' and symbol = 'OLD'),
    (select lease_until from freshness_pgtap.before), 'a lease that was just taken is not written again'
);
do $$
begin
    perform freshness.watch(array['pgtap_quote'], array['OLD'], 'user:1', '1 hour');
end
$$;
select ok(lease_until > now() + interval '59 minutes', 'one that is to end much later is')
from freshness.watches where watcher = 'user:1' and symbol = 'OLD';
select lives_ok(
    $$ select freshness.watch(array['pgtap_integer', 'pgtap_integer'], array['8', '08'], 'user:2') $$,
    'a symbol may be watched in two spellings'
);
select lives_ok(
    $$ select freshness.watch(array['pgtap_news', 'pgtap_news'], array['A', 'B'], 'user:2') $$,
    'two cards may show the same global table'
);
select set_eq(
    $$ select data_type, symbol from freshness.watches where watcher = 'user:2' $$,
    $$ values ('pgtap_integer', '8'), ('pgtap_news', 'GLOBAL') $$, 'each is one lease'
);
select throws_ok(
    $$ select freshness.watch(array['pgtap_quote'], array['A', 'B'], 'user:1') $$, 'FR008', null,
    'each symbol has a data type'
);
select throws_ok(
    $$ select freshness.watch(array['pgtap_quote'], array['A'], 'user:1', '2 days') $$, 'FR008', null,
    'a lease is a day at most'
);
select throws_ok(
    $$ select freshness.watch(array['pgtap_quote'], array['A'], 'user:1', '0') $$, 'FR008', null, 'and not nothing'
);
select is_empty($$ select * from freshness.watch('{}', '{}', 'user:1') $$, 'nothing asked, nothing done');

select throws_ok(
    $$ select freshness.watch(array['pgtap_quote'], array['A'], '') $$, 'FR008', null, 'a watcher has a name'
);

update freshness.watches set lease_until = now() + interval '2 minutes' where watcher = 'user:1';
delete from freshness.pulls;
select lives_ok(
    $$ select freshness.watch(array['pgtap_quote', 'pgtap_quote'], array['OLD', 'FRESH'], 'user:1') $$,
    'a lease in its second half is renewed'
);
select is_empty($$ select * from freshness.pulls $$, 'and nothing else is written: its job is there');
delete from freshness.jobs where symbol = 'OLD';
update freshness.watches set lease_until = now() + interval '2 minutes' where watcher = 'user:1';
do $$
begin
    perform freshness.watch(array['pgtap_quote'], array['OLD'], 'user:1');
end
$$;
select isnt_empty($$ select * from freshness.jobs where symbol = 'OLD' $$, 'unless its job is not');
update freshness.watches set lease_until = now() - interval '1 minute' where watcher = 'user:1';
do $$
begin
    perform freshness.watch(array['pgtap_quote'], array['FRESH'], 'user:1');
end
$$;
select isnt_empty(
    $$ select * from freshness.pulls where symbol = 'FRESH' $$, 'after a gap the job is looked at: it may be going away'
);

update freshness.data_types set priority = 5 where name = 'pgtap_quote';
do $$
begin
    perform freshness.watch(array['pgtap_quote'], array['URGENT'], 'user:1', p_priority => 1);
end
$$;
select is(priority::integer, 5, 'a watch does not make a data type less urgent than it is')
from freshness.jobs where symbol = 'URGENT';

select * from finish();
rollback;
