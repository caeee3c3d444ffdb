-- A claim whose answer was lost on the way has been committed all the same: its jobs run for a worker that does not
-- know of them, and whose heartbeat keeps them. So after an error the worker goes on under a new id, and takes along
-- what it knows.
create function freshness.renew_worker(p_worker bigint, p_fences bigint[])
returns bigint
language plpgsql
set search_path = pg_temp
set lock_timeout = '1s'
as $$
declare
    v_old freshness.workers;
    v_new bigint;
begin
    -- Waits for a claim that is under way; one that comes later is refused, since its worker is not announced any more.
    delete from freshness.workers as w where w.id = p_worker returning w.* into v_old;
    if not found then
        raise exception using errcode = 'FR004', message = format('worker %s is not announced', p_worker),
            hint = 'It was taken for dead, or has left; announce it anew with freshness.announce_worker.';
    end if;
    v_new := freshness.announce_worker(v_old.name, v_old.heartbeat_limit, v_old.takes_jobs);
    update freshness.jobs as j set worker = v_new
    where j.state = 'running' and j.worker = p_worker and j.fence = any (p_fences);
    perform freshness.dismiss_worker(p_worker);
    return v_new;
end
$$;

comment on function freshness.renew_worker(bigint, bigint[]) is
    'Gives a worker a new id, by which it goes on with what it runs (fences of its jobs), and hands back everything'
    ' else that runs under the old one: for a worker that does not know whether a claim of its own was committed.'
    ' FR004: it is not announced.';
