begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

select is(
    freshness.owner_name(), (select r.rolname::text from pg_roles as r where r.rolname = current_user),
    'what we own belongs to who applied the migrations'
);

create table public.owner_quotes (symbol text primary key, fetched_at timestamptz);
select freshness.register_data_type('owner_quote', 'public.owner_quotes', ttl => '1 minute');
select is(
    array(
        select f.proowner::regrole::text
        from pg_proc as f
        where f.pronamespace = 'freshness'::regnamespace and f.proname like '%owner_quote'
        group by 1
    ),
    array[freshness.owner_name()],
    'and so does what a registration writes'
);

select * from finish();
rollback;
