begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

select lives_ok(
    $$ select freshness.listen_for('pgtap_quote', array['B', 'A', 'A', null], pg_backend_pid()) $$, 'one listens for keys'
);
select set_eq(
    $$ select symbol from freshness.listeners where data_type = 'pgtap_quote' $$, array['A', 'B'], 'each once'
);
update freshness.listeners set seen_at = now() - interval '1 minute' where data_type = 'pgtap_quote';
select freshness.listen_for('pgtap_quote', array['A'], pg_backend_pid());
select freshness.listen_for('pgtap_quote', array['A'], pg_backend_pid(), true);
select results_eq(
    $$
    select symbol, is_told_of_starts, seen_at >= now()
    from freshness.listeners where data_type = 'pgtap_quote' order by symbol, is_told_of_starts
    $$,
    $$ values ('A', false, true), ('A', true, true), ('B', false, false) $$, 'and says so again, or for starts too'
);
insert into freshness.listeners (data_type, symbol, backend, seen_at) values
('pgtap_quote', 'A', -1, clock_timestamp()), ('pgtap_quote', 'C', pg_backend_pid(), now() - interval '66 seconds'),
('pgtap_quote', 'D', pg_backend_pid(), now() + interval '1 hour');
select cmp_ok(freshness.forget_lost_listeners(), '>=', 3, 'those that are gone or silent are forgotten');
select set_eq(
    $$ select symbol from freshness.listeners where data_type = 'pgtap_quote' $$, array['A', 'B'], 'the others are not'
);
select freshness.stop_listening(pg_backend_pid(), 'pgtap_quote', array['A', 'B'], true);
select results_eq(
    $$
    select symbol, is_told_of_starts from freshness.listeners where data_type = 'pgtap_quote' order by symbol
    $$, $$ values ('A', false), ('B', false) $$, 'one stops to stream, and goes on waiting'
);
select freshness.stop_listening(pg_backend_pid(), 'pgtap_quote', array['A']);
select set_eq(
    $$ select symbol from freshness.listeners where data_type = 'pgtap_quote' $$, array['B'], 'one stops with some'
);
select freshness.stop_listening(pg_backend_pid());
select is_empty($$ select from freshness.listeners where data_type = 'pgtap_quote' $$, 'or with all');

select * from finish();
rollback;
