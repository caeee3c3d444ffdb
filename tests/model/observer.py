"""What is committed about each key, seen in one statement by somebody who takes no part."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.rows import class_row

from tests.fixtures.connections import Connection

PLAIN, METERED = "plain", "metered"
TTL, KEEP_WARM = 60.0, 5.0
CALLS_PER_MINUTE, IN_FLIGHT = 5, 2
Key = tuple[str, str]
KEYS: list[Key] = [
    *((PLAIN, symbol) for symbol in "ABCD"),
    *((METERED, symbol) for symbol in "ABC"),
]

TABLES = f"""
    create schema model;
    create table model.plain (symbol text primary key, price bigint, fetched_at timestamptz);
    create table model.metered (symbol text primary key, price bigint, fetched_at timestamptz);
    select freshness.register_source(
        'api', calls_per_minute => {CALLS_PER_MINUTE}, calls_in_flight => {IN_FLIGHT}
    );
    select freshness.register_data_type(
        'plain', 'model.plain', ttl => '{TTL} s', keep_warm => '{KEEP_WARM} s', max_attempts => 3
    );
    select freshness.register_data_type(
        'metered', 'model.metered', ttl => '{TTL} s', keep_warm => '{KEEP_WARM} s', source => 'api'
    );
"""

FORGET = """
    set session_replication_role = replica;
    delete from freshness.jobs; delete from freshness.watches; delete from freshness.pulls;
    delete from freshness.events; delete from freshness.workers; delete from freshness.sleepers;
    delete from freshness.sweeps;
    delete from freshness.spent_calls; delete from freshness.spent_days;
    delete from model.plain; delete from model.metered;
    set session_replication_role = origin;
    update freshness.sources set tokens = null, tokens_at = null, short_since = null,
        opens_at = null, failures = 0, pauses = 0, paused_until = null;
"""

# Seconds go by: every moment on record becomes as much older.
MOMENTS = {
    "freshness.jobs": "run_at not_before requested_at required_as_of stored_at verified_at"
    " fresh_until unwatched_at started_at",
    "freshness.watches": "lease_until",
    "freshness.workers": "seen_at started_at",
    "freshness.sleepers": "asleep_until looked_at rings_at",
    "freshness.sources": "tokens_at short_since opens_at paused_until",
    "freshness.spent_calls": "spent_at",
    "freshness.pulls": "due_at",
    "freshness.events": "happened_at",
    "freshness.sweeps": "started_at",
    "model.plain": "fetched_at",
    "model.metered": "fetched_at",
}

SEE = """
    select
        k.data_type, k.symbol, j.state::text, j.worker, j.fence, j.viewers, j.attempts,
        extract(epoch from clock_timestamp())::float8 as now,
        extract(epoch from j.run_at)::float8 as run_at,
        extract(epoch from j.not_before)::float8 as not_before,
        j.requested_at is not null as is_requested,
        extract(epoch from j.required_as_of)::float8 as required_as_of,
        extract(epoch from j.started_at)::float8 as started_at,
        extract(epoch from j.stored_at)::float8 as stored_at,
        extract(epoch from j.verified_at)::float8 as verified_at,
        extract(epoch from l.refresh_at)::float8 as refresh_at,
        d.price, extract(epoch from d.fetched_at)::float8 as fetched_at,
        (
            select count(*) from freshness.watches as w
            where w.data_type = k.data_type and w.symbol = k.symbol
                and w.lease_until > clock_timestamp()
        ) as watches,
        exists (
            select from freshness.pulls as p
            where p.data_type = k.data_type and (p.symbol = k.symbol or p.reason = 'truncated')
        ) as has_pull
    from unnest(%s::text[], %s::text[]) as k (data_type, symbol)
    left join freshness.jobs as j on j.data_type = k.data_type and j.symbol = k.symbol
    left join (
        select 'plain' as data_type, p.* from model.plain as p
        union all select 'metered', m.* from model.metered as m
    ) as d on d.data_type = k.data_type and d.symbol = k.symbol
    cross join lateral freshness.look(k.data_type, array[k.symbol]) as l
"""


@dataclass(frozen=True)
class Seen:
    """One key; times in seconds since 1970 by the database's clock."""

    data_type: str
    symbol: str
    state: str | None
    worker: int | None
    fence: int | None
    viewers: int | None
    attempts: int | None
    now: float
    run_at: float | None
    not_before: float | None
    is_requested: bool
    required_as_of: float | None
    started_at: float | None
    stored_at: float | None
    verified_at: float | None
    refresh_at: float | None
    price: int | None
    fetched_at: float | None
    watches: int
    has_pull: bool

    @property
    def is_wanted(self) -> bool:
        """Whether somebody watches it, or a request is not yet satisfied."""
        return self.watches > 0 or self.is_requested or self.required_as_of is not None

    @property
    def is_fresh(self) -> bool:
        """Whether what is stored, or what a fetch has verified, is younger than a ttl."""
        verified = self.verified_at
        if (self.fetched_at or float("-inf")) < (self.stored_at or float("-inf")):
            verified = None
        moments = [moment for moment in (self.fetched_at, verified) if moment is not None]
        return bool(moments) and max(moments) + TTL > self.now


def see(connection: Connection) -> dict[Key, Seen]:
    """Return what is committed about each key."""
    with connection.cursor(row_factory=class_row(Seen)) as cursor:
        rows = cursor.execute(SEE, [[key[0] for key in KEYS], [key[1] for key in KEYS]])
        return {(row.data_type, row.symbol): row for row in rows}


def let_pass(connection: Connection, seconds: float) -> None:
    """Make everything older; for a superuser, so that no trigger takes it for a change."""
    with connection.transaction():
        connection.execute("set local session_replication_role = replica")
        for table, columns in MOMENTS.items():
            changes = ", ".join(
                f"{name} = {name} - make_interval(secs => {seconds})" for name in columns.split()
            )
            connection.execute(f"update {table} set {changes}".encode())
