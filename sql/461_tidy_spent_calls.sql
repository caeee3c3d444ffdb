-- Each end of refreshes appends a row to what a source has spent, and each claim adds them up: under load those of two
-- seconds are made one. It counts from the last of them, so that none leaves the account before its minute is over.
create function freshness.gather_spent_calls(p_source text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    with gone as (
        delete from freshness.spent_calls as c
        where c.ctid = any (
            array(
                select m.place
                from (
                    select o.ctid as place, count(*) over (partition by date_bin('2 seconds', o.spent_at, 'epoch')) as many
                    from freshness.spent_calls as o
                    where o.source = p_source
                ) as m
                where m.many > 1
            )
        )
        returning c.spent_at, c.calls, c.bytes
    )

    insert into freshness.spent_calls (source, spent_at, calls, bytes)
    select p_source, max(g.spent_at), sum(g.calls), sum(g.bytes)
    from gone as g
    group by date_bin('2 seconds', g.spent_at, 'epoch');
end
$$;

comment on function freshness.gather_spent_calls(text) is
    'Makes the calls that ended within the same two seconds one row of spent_calls. Called with the source''s row'
    ' locked.';

create function freshness.tidy_spent_calls(p_source text, p_used freshness.used_calls)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    if
        p_used.oldest < clock_timestamp() - interval '90 seconds'
        or p_used.newest > clock_timestamp() + interval '1 second'
    then
        perform freshness.fold_spent_calls(p_source);
    else
        perform freshness.gather_spent_calls(p_source);
    end if;
end
$$;

comment on function freshness.tidy_spent_calls(text, freshness.used_calls) is
    'Keeps what a source has spent short, when freshness.used_calls finds it untidy: moves away what no minute counts'
    ' any more, or gathers the others. Called with the source''s row locked.';
