begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

select ok((freshness.sweep()).id is not null, 'a sweep in one transaction');
select ok(not freshness.sweep_if_due('1 hour'), 'a worker does not sweep when somebody just did');
select ok(freshness.sweep_if_due('0'), 'but when it is due');

do $$
begin
    delete from freshness.sweeps;
end
$$;
insert into freshness.sweeps (started_at, duration) values (now() + interval '1 day', '1 second');
select ok(freshness.sweep_if_due('1 hour'), 'one in the future, from before the clock was set back, does not count');
select ok(not freshness.sweep_if_due('1 hour'), 'the one that was made then does');

select * from finish();
rollback;
