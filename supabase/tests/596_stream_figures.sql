begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

delete from freshness.watches;
select results_eq('select * from freshness.stream_figures()', 'values (0::bigint, 0::bigint)', 'nobody streams');
insert into freshness.watches (data_type, symbol, watcher, lease_until) values
('pgtap_quote', 'A', 'user:1', now() + interval '1 hour'),
('pgtap_quote', 'A', 'stream:1:user:1', now() + interval '1 hour'),
('pgtap_quote', 'B', 'stream:1:user:1', now() + interval '1 hour'),
('pgtap_quote', 'B', 'stream:2:user:1', now() + interval '1 hour'),
('pgtap_quote', 'C', 'stream:3:user:2', now() - interval '1 second');
select results_eq(
    'select * from freshness.stream_figures()', 'values (2::bigint, 2::bigint)',
    'streams and their keys, each once; not cards, nor what is over'
);

select * from finish();
rollback;
