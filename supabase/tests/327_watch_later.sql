begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.made as
with subscribed as (
    insert into realtime.subscription (subscription_id, entity, filters, claims)
    values (gen_random_uuid(), 'freshness_pgtap.quotes', array[]::realtime.user_defined_filter[], '{"role": "authenticated"}')
    returning id
)

select id from subscribed;
delete from freshness.events where data_type = 'pgtap_quote';
do $$
begin
    perform freshness.watch_later(array(select id from freshness_pgtap.made), '55P03 locked', false);
end
$$;
select results_eq(
    $$ select subscription_row, reason from freshness.pulls where subscription_row in (select id from freshness_pgtap.made) $$,
    $$ select id, '55P03 locked' from freshness_pgtap.made $$, 'a subscription that could not be read is left to the inbox'
);
delete from freshness.pulls where subscription_row is not null;
do $$
begin
    perform freshness.watch_later(array(select id from freshness_pgtap.made), '42P01 gone', true);
end
$$;
select is_empty(
    $$ select from freshness.pulls where subscription_row in (select id from freshness_pgtap.made) $$,
    'what the long way can read is not'
);
select is(
    (select kind from freshness.events where data_type = 'pgtap_quote'), 'ignored', 'it has been read'
);

select * from finish();
rollback;
