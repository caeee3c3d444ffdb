begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(1);

select has_type('freshness', 'queued_key', 'what get_or_queue hands from one part to the other');

select * from finish();
rollback;
