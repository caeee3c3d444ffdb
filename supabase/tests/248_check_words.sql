begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
create function pg_temp.refusal(p_arguments text)
returns text
language plpgsql
as $$
declare
    v_hint text;
begin
    execute format(
        'select freshness.register_data_type(%s, data_table => ''freshness_pgtap.quotes'', ttl => ''1 minute'')',
        p_arguments
    );
    return null;
exception
    when sqlstate 'FR002' then
        get stacked diagnostics v_hint = pg_exception_hint;
        return sqlerrm || '. ' || v_hint;
end
$$;

select is(pg_temp.refusal($$ 'pgtap_quote' $$), null, 'what is right is taken');
select is(
    pg_temp.refusal($$ 'two words' $$),
    'name is ''two words''. A name has up to 44 letters, digits, ''_'' and ''-'', and begins with a letter.',
    'a name is plain'
);
select matches(pg_temp.refusal('null'), '^name is null\.', 'and is there');
select is(
    pg_temp.refusal($$ 'pgtap_quote', write_mode => 'merge' $$),
    'write_mode is ''merge''. Pass ''upsert'', ''append'' or ''replace''.', 'so is a write mode'
);
select matches(pg_temp.refusal($$ 'pgtap_quote', write_mode => null $$), '^write_mode is null\.', 'and is there');
select matches(pg_temp.refusal($$ 'pgtap_quote', priority => 10 $$), '^priority is 10\. ', 'a priority is one digit');
select matches(pg_temp.refusal($$ 'pgtap_quote', priority => 100000 $$), '^priority is 100000\. ', 'and not more');
select matches(pg_temp.refusal($$ 'pgtap_quote', max_attempts => 0 $$), '^max_attempts is 0\. ', 'one attempt at least');
select matches(
    pg_temp.refusal($$ 'pgtap_quote', calls_per_refresh => 100000 $$), '^calls_per_refresh is 100000\. ',
    'a refresh makes as many calls as can be counted'
);

select * from finish();
rollback;
