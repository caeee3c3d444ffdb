begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

select has_pk('freshness', 'sweep_slices', 'each slice is one row');
select is(
    (select relpersistence from pg_class where oid = 'freshness.sweep_slices'::regclass), 'u'::"char",
    'which a crash may take: a slice only says where to look'
);

select * from finish();
rollback;
