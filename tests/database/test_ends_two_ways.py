"""What a data type's own statement ends, it ends as the general way does."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.workers import Announce

COLUMNS = (
    "symbol {symbol} primary key, price numeric not null, note text default 'as it was',"
    " double numeric generated always as (price * 2) stored, minutes integer,"
    " fetched_at timestamptz"
)
KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"symbol": "integer", "source": "tests"},
    {"ttl_column": "minutes", "refresh_ahead": "10 seconds", "jitter": "20 seconds"},
    {"write_mode": "append", "columns": "symbol text, price numeric, fetched_at timestamptz"},
    {"keep_warm": "0", "source": "tests", "time_zone": "Asia/Tokyo"},
    {"deadline_function": "freshness_tests.at_once"},
)
AT_ONCE = """
create or replace function freshness_tests.at_once(timestamptz, interval) returns timestamptz
language sql immutable as $$ select $1 + interval '1 millisecond' $$
"""
SHORT_SOURCE = """
insert into freshness.sources (name, short_since) values ('tests', %s)
on conflict (name) do update set short_since = excluded.short_since
"""
KEYS = 10
ROUNDS = 25
# In seconds from the start of the fetches, one of which began a minute ago; None: unknown.
MOMENTS = (None, -7200.0, -90.0, -30.0, -30.0, -1.0, 0.0, 0.5, 30.0, 7200.0)

NEAR = timedelta(seconds=1)

ANSWERS = (
    "%(symbols)s::text[], %(fences)s::bigint[], %(rows)s::text[], %(validators)s::text[],"
    " %(bytes)s::bigint[], %(calls)s::integer[]"
)
TOGETHER = f"""
select e.* from unnest(
    freshness.finish_many(
        array_fill(%(name)s::text, array[cardinality(%(symbols)s::text[])]), {ANSWERS}
    )
) as e
"""
APART = f"""
select e.* from freshness.data_types as t cross join unnest(freshness.try_to_end(t, {ANSWERS})) as e
where t.name = %(name)s
"""
EVENTS = """
select kind, symbol, worker, fence, waited, bytes, message, is_measured from freshness.events
where data_type = %(name)s order by fence
"""
SPENT = "select sum(calls) as calls, sum(bytes) as bytes from freshness.spent_calls"
INSERT_JOB = """
insert into freshness.jobs (
    data_type, symbol, state, worker, fence, started_at, run_at, calls, waited, attempts,
    last_error, stored_at, verified_at, required_as_of, requested_at, validators,
    estimated_size_bytes, alone
) values (
    %s, %s, 'running', %s, nextval('freshness.fences'), %s, %s, %s, 0.5, 1, 'before',
    %s, %s, %s, %s, '{"etag": "old"}', 5, true
) returning fence
"""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind) or "plain")
def test_both_ways_end_the_same_refreshes_the_same(
    connection: Connection, register: Register, announce: Announce, kind: dict[str, Any]
) -> None:
    """Whatever was stored, asked for, answered or lost."""
    connection.execute(AT_ONCE)
    arguments = {**kind}
    columns = COLUMNS.format(symbol=arguments.pop("symbol", "text"))
    quotes = register(arguments.pop("columns", columns), **arguments)
    worker = announce().number
    chance = random.Random(str(kind))  # noqa: S311
    plainly = 0
    for _ in range(ROUNDS):
        with connection.transaction(force_rollback=True):
            asked = _make(connection, quotes, worker, chance)
            together = _end(connection, TOGETHER, asked)
            apart = _end(connection, APART, asked)
            assert _near(together, apart), [_differing(together, apart), asked]
            plainly += _plainly(connection, quotes, asked)
    assert plainly > ROUNDS, "the data type's own statement ended next to nothing"


def _make(
    connection: Connection, quotes: DataType, worker: int, chance: random.Random
) -> dict[str, Any]:
    now = connection.execute("select clock_timestamp()").fetchone()
    assert now is not None
    start = now[0] - timedelta(minutes=1)
    if chance.random() < 0.5:
        connection.execute(SHORT_SOURCE, [chance.choice((None, start))])

    def moment() -> datetime | None:
        offset = chance.choice(MOMENTS)
        return None if offset is None else start + timedelta(seconds=offset)

    # What raises spoils the statement for all: not in each round.
    is_tame = chance.random() < 0.7
    asked: dict[str, Any] = {"name": quotes.name}
    columns: dict[str, list[Any]] = {
        name: [] for name in ("symbols", "fences", "rows", "validators", "bytes", "calls")
    }
    insert = f"insert into {quotes.table} (symbol, price, fetched_at) values (%s, 1, %s)".encode()
    for symbol in chance.sample([str(number) for number in range(100)], KEYS):
        stored = moment()
        if chance.random() < 0.8:
            connection.execute(insert, [symbol, "infinity" if chance.random() < 0.05 else stored])
        as_of = moment()
        made = connection.execute(
            INSERT_JOB,
            [
                *(quotes.name, symbol, worker, start + timedelta(seconds=chance.random())),
                chance.choice(("infinity", start + timedelta(seconds=70))),
                chance.choice((0, 1)),
                *(chance.choice((stored, moment())), moment(), as_of, as_of),
            ],
        ).fetchone()
        assert made is not None
        columns["symbols"].append(symbol)
        columns["fences"].append(-1 if chance.random() < 0.05 else made[0])
        columns["rows"].append(_rows(chance, symbol, stored, moment(), is_tame=is_tame))
        columns["validators"].append(chance.choice((None, '{"etag": "new"}')))
        columns["bytes"].append(chance.choice((None, 70)))
        columns["calls"].append(chance.choice((None, 2)))
    return asked | columns


def _rows(
    chance: random.Random,
    symbol: str,
    stored: datetime | None,
    moment: datetime | None,
    *,
    is_tame: bool,
) -> str | None:
    changes: list[dict[str, Any]] = [
        {},
        {},
        {"fetched_at": str(moment) if moment else None},
        {"fetched_at": str(stored) if stored else None},
        {"fetched_at": moment.strftime("%Y-%m-%dT%H:%M:%S.%f") if moment else None},
        {"symbol": symbol},
        {"symbol": chance.choice((None, "0" + symbol, "7"))},
        {"note": chance.choice((None, "new"))},
        {"minutes": chance.choice((None, 3))},
        {"double": 7},
        {"absent": 7},
        {"price": "7.5"},
    ]
    raising: list[dict[str, Any]] = [
        {"price": chance.choice((None, "much", [7]))},
        {"fetched_at": "soon"},
        {"minutes": "much"},
    ]
    row: dict[str, Any] = {"price": chance.randrange(9)}
    for _ in range(2):
        row |= chance.choice(changes if is_tame else changes + raising)
    if chance.random() < 0.1:
        del row["price"]
    others: tuple[Any, ...] = (None, None, None, [row, row], [], row, [[row]], [7])
    found = chance.choice(others) if chance.random() < 0.5 else [row]
    if not is_tame and chance.random() < 0.05:
        return "["
    return None if found is None else json.dumps(found)


def _plainly(connection: Connection, quotes: DataType, asked: dict[str, Any]) -> int:
    """How many the data type's own statement ends: none when it raises."""
    statement = f"select cardinality(freshness.ends_{quotes.name}({ANSWERS}))"
    try:
        with connection.transaction(force_rollback=True):
            found = connection.execute(statement.encode(), asked).fetchone()
    except psycopg.Error:
        return 0
    return (found and found[0]) or 0


def _end(connection: Connection, statement: str, asked: dict[str, Any]) -> list[Any]:
    name, table = (
        asked["name"],
        connection.execute(
            "select data_table::text from freshness.data_types where name = %(name)s", asked
        ).fetchone(),
    )
    assert table is not None, name
    with connection.transaction(force_rollback=True), connection.cursor(row_factory=dict_row) as of:
        ended = of.execute(statement.encode(), asked).fetchall()
        jobs = [
            found["job"]
            for found in of.execute(
                "select to_jsonb(j) as job from freshness.jobs as j"
                " where j.data_type = %(name)s order by j.symbol",
                asked,
            )
        ]
        held = {job["symbol"] for job in jobs if job["not_before"] is not None}
        for job in jobs:
            if job["symbol"] in held:
                # By chance a little longer or shorter.
                job |= {"not_before": True, "due_at": None}
        of_held = dict(zip(asked["fences"], asked["symbols"], strict=True))
        for each in ended:
            if of_held[each["fence"]] in held:
                each["due_in"] = None
        stored = of.execute(
            f"select to_jsonb(r) as row from {table[0]} as r order by symbol, price".encode()
        ).fetchall()
        events = of.execute(EVENTS.encode(), asked).fetchall()
        spent = of.execute(SPENT.encode()).fetchall()
        return [sorted(ended, key=lambda each: each["fence"]), jobs, stored, events, spent]


def _near(one: Any, other: Any) -> bool:
    """Whether two values are the same but for a second between moments."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_near(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_near, one, other))
    if isinstance(one, str) and isinstance(other, str) and one != other:
        try:
            return abs(datetime.fromisoformat(one) - datetime.fromisoformat(other)) < NEAR
        except ValueError:
            return False
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) < 1
    return bool(one == other)


def _differing(together: Any, apart: Any) -> list[tuple[Any, Any]]:
    return [
        (one, other)
        for ones, others in zip(together, apart, strict=True)
        for one, other in zip(ones, others, strict=False)
        if not _near(one, other)
    ]
