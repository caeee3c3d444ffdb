create function freshness.backoff(p_attempts integer)
returns interval
language sql
volatile
set search_path = ''
as $$
    select interval '1 second' * least(power(2, least(p_attempts, 20) - 1), 300) * (0.5 + random() / 2)
$$;

comment on function freshness.backoff(integer) is
    'Wait after the given number of failures in a row: 1 s, doubling, at most 5 minutes, of which a random half to'
    ' all.';

create function freshness.mend_not_before()
returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_mended integer;
begin
    with held as materialized (
        select
            j.data_type, j.symbol,
            v_now + case
                when t.not_before_function is not null then interval '7 days'
                when j.state = 'failed' then interval '1 hour'
                else interval '5 minutes'
            end as latest
        from freshness.jobs as j
        join freshness.data_types as t on t.name = j.data_type
        where
            j.not_before > v_now + interval '5 minutes'
            and j.state <> 'running'
            and j.not_before > v_now + case
                when t.not_before_function is not null then interval '7 days'
                when j.state = 'failed' then interval '1 hour'
                else interval '5 minutes'
            end
        for update of j skip locked
    )

    update freshness.jobs as j
    set not_before = h.latest
    from held as h
    where j.data_type = h.data_type and j.symbol = h.symbol;
    get diagnostics v_mended = row_count;
    return v_mended;
end
$$;

comment on function freshness.mend_not_before() is
    'Brings back jobs that are held for longer than anything holds a job (backoff 5 minutes, set aside 1 hour, provider'
    ' closed 7 days), since the clock was set back, and returns their number.';
