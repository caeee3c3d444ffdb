begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create function freshness_pgtap.opens(text) returns timestamptz language plpgsql as $$
begin
    if $1 = 'BAD' then
        raise exception 'no such market';
    end if;
    return case $1 when 'CLOSED' then now() + interval '1 hour' when 'PAST' then now() - interval '1 hour' end;
end
$$;
do $$
begin
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', not_before_function => 'freshness_pgtap.opens'
    );
end
$$;
select results_eq(
    $$
    select symbol, closed_until, problem
    from freshness.ask_not_before('pgtap_quote', array['BAD', 'CLOSED', 'OPEN', 'PAST']) order by 1
    $$,
    $$
    values
    ('BAD', null::timestamptz, 'not_before_function: P0001 no such market'), ('CLOSED', now() + interval '1 hour', null),
    ('OPEN', null, null), ('PAST', now() - interval '1 hour', null)
    $$, 'each symbol gets an answer; one that spoils it only its own'
);
select is(count(*)::integer, 0, 'none asked, none answered') from freshness.ask_not_before('pgtap_quote', '{}');
select ok(
    not has_function_privilege('anon', 'freshness.not_before_pgtap_quote(text[])', 'execute'), 'nobody else may ask'
);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
select hasnt_function('freshness', 'not_before_pgtap_quote', 'without a function there is none to call');
select throws_ok(
    $$
    select freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', not_before_function => 'freshness_pgtap.nope'
    )
    $$, 'FR002', null, 'one that does not exist is refused'
);

select * from finish();
rollback;
