"""What the database and the provider have on record, and what must never be on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.fixtures.connections import Connection

CALLS_PER_MINUTE, BURST = 120, 10

# Each row says under which fence it was fetched, and each change of a row is noted.
TABLES = f"""
    create schema chaos;
    create table chaos.writes (
        id bigint generated always as identity, symbol text, fence bigint, price bigint,
        fetched_at timestamptz, older_fence bigint, older_price bigint, older_at timestamptz
    );
    create function chaos.note() returns trigger language plpgsql as $$
    begin
        insert into chaos.writes (
            symbol, fence, price, fetched_at, older_fence, older_price, older_at
        ) values (
            tg_table_name || ' ' || new.symbol, new.fence, new.price, new.fetched_at,
            old.fence, old.price, old.fetched_at
        );
        return null;
    end $$;
    create table chaos.quotes (
        symbol text primary key, price bigint, fence bigint, fetched_at timestamptz
    );
    create table chaos.scarce (like chaos.quotes including all);
    create table chaos.asked (like chaos.quotes including all);
    create trigger note after insert or update on chaos.quotes
    for each row execute function chaos.note();
    create trigger note after insert or update on chaos.scarce
    for each row execute function chaos.note();
    create trigger note after insert or update on chaos.asked
    for each row execute function chaos.note();
    select freshness.register_source(
        'metered', calls_per_minute => {CALLS_PER_MINUTE}, burst => {BURST}, calls_in_flight => 6
    );
    select freshness.register_data_type(
        'quote', 'chaos.quotes', ttl => '2 seconds', max_attempts => 1000, backoff_longest => '2 s'
    );
    select freshness.register_data_type(
        'scarce', 'chaos.scarce', ttl => '1 second', max_attempts => 1000, backoff_longest => '2 s',
        source => 'metered'
    );
    select freshness.register_data_type(
        'asked', 'chaos.asked', ttl => '1 hour', max_attempts => 1000, backoff_longest => '2 s'
    );
"""

WRONG = {
    "two writes for one fetch": """
        select fence, count(*) from chaos.writes group by fence having count(*) > 1
    """,
    "older data over newer": """
        select symbol, fence, older_fence from chaos.writes
        where fetched_at < older_at or price <= older_price or fence <= older_fence
    """,
    "a fetch that ended twice": """
        select fence, array_agg(kind) from freshness.events
        where kind in ('fresh', 'unchanged', 'superseded', 'missing', 'failed', 'retry_after',
            'taken_over') and fence is not null
        group by fence having count(*) > 1
    """,
    "a write without an end": """
        select w.fence from chaos.writes as w where not exists (
            select from freshness.events as e where e.fence = w.fence and e.kind = 'fresh'
        )
    """,
    "a watched key without its job": """
        select w.data_type, w.symbol from freshness.watches as w where not exists (
            select from freshness.jobs as j where j.data_type = w.data_type and j.symbol = w.symbol
        )
    """,
    "a key with two jobs": """
        select data_type, symbol from freshness.jobs group by 1, 2 having count(*) > 1
    """,
}


@dataclass(frozen=True)
class Call:
    """A call as the provider saw it; `at` in seconds since 1970."""

    at: float
    data_type: str
    symbol: str
    fence: int
    number: int


def read_calls(log: Path) -> list[Call]:
    """Return the calls in the order in which they came."""
    calls = []
    for line in log.read_text().splitlines():
        at, data_type, symbol, fence, number = line.split(" ")
        calls.append(Call(float(at), data_type, symbol, int(fence), int(number)))
    return calls


def most_in_a_minute(calls: list[Call]) -> int:
    """Return the most calls of the metered source in any 60 seconds."""
    moments = sorted(call.at for call in calls if call.data_type == "scarce")
    first, most = 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - 60:
            first += 1
        most = max(most, last - first + 1)
    return most


def check(connection: Connection, log: Path) -> list[Call]:
    """Fail with whatever must not be on record; return the calls."""
    for what, statement in WRONG.items():
        found = connection.execute(statement.encode()).fetchmany(5)
        assert not found, f"{what}: {found}"
    writes = connection.execute("select fence, price from chaos.writes").fetchall()
    # Read after the writes, each of which has its call there by now: the workers go on.
    calls = read_calls(log)
    fences = [call.fence for call in calls]
    assert len(set(fences)) == len(fences), "two calls for one fetch"
    answers = {call.fence: call.number for call in calls}
    for fence, price in writes:
        assert answers[fence] == price, f"fence {fence} stored another one's answer"
    most = most_in_a_minute(calls)
    assert most <= CALLS_PER_MINUTE, f"{most} calls in 60 s, allowed are {CALLS_PER_MINUTE}"
    return calls


def late_calls(connection: Connection, calls: list[Call]) -> int:
    """Count calls that came after their fetch had been taken over.

    The budget does not see them. A worker that is stopped in the milliseconds between its last
    look at its stopwatch and the call makes some.
    """
    taken_over = dict(
        connection.execute(
            "select fence, extract(epoch from happened_at)::float8 from freshness.events"
            " where kind = 'taken_over'"
        ).fetchall()
    )
    return sum(call.at > taken_over.get(call.fence, call.at) for call in calls)
