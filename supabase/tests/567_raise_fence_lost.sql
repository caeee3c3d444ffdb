begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(1);

select throws_ok(
    $$ select freshness.raise_fence_lost('pgtap_quote', 'A', 7) $$, 'FR003',
    'refresh 7 of pgtap_quote A is no longer this worker''s', 'it names the refresh'
);

select * from finish();
rollback;
