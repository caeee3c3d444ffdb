create function freshness.get_or_queue(p_data_type text, p_symbol text)
returns jsonb
language sql
volatile
set search_path = pg_temp
return freshness.answer_for_caller(freshness.queue_for_caller(p_data_type, p_symbol));

comment on function freshness.get_or_queue(text, text) is
    'The stored rows of a key as the caller may see them (newest first, at most 1,000), their status (fresh,'
    ' refreshing, stale, missing, failed), age in seconds and fresh_until; queues a refresh if it is due, and says'
    ' whether this call did. FR001: data type not registered; FR008: no symbol of it; 42501: the caller may not select'
    ' from its table, and nothing is queued.';

create function public.get_or_queue(p_data_type text, p_symbol text)
returns jsonb
language sql
volatile
set search_path = pg_temp
return freshness.get_or_queue(p_data_type, p_symbol);

comment on function public.get_or_queue(text, text) is
    'For signed-in users: the stored rows of a key as the caller may see them, their status and age in seconds; a'
    ' refresh is queued if it is due.';
