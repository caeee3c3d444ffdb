"""`freshness retry`: one line that says what was released, or why nothing was."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from pyworker.cli import freshness
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.servers import Database
from tests.fixtures.workers import Worker


def retry(database: Database, *arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(freshness, ["retry", *arguments], env={"DATABASE_URL": database.url})


def set_aside(connection: Connection, quotes: DataType, worker: Worker, *symbols: str) -> None:
    """Let these keys fail for good."""
    connection.execute("select freshness.request(%s, %s::text[])", [quotes.name, list(symbols)])
    for job in worker.claim(quotes.name):
        worker.fail(job, "no")


def test_one_key_is_released(
    database: Database, connection: Connection, register: Register, worker: Worker
) -> None:
    """By any way of writing it that its column takes."""
    quotes = register("symbol uuid primary key, fetched_at timestamptz", max_attempts=1)
    symbol = "6e5a3c1e-0f5b-4f1c-9f62-0d7a5f1f2b11"
    set_aside(connection, quotes, worker, symbol)

    answer = retry(database, quotes.name, symbol.upper())

    assert (answer.exit_code, answer.output) == (
        0,
        f"Released {quotes.name} {symbol.upper()}.\n",
    )
    assert [job.symbol for job in worker.claim(quotes.name)] == [symbol]


def test_all_keys_of_a_data_type_are_released(
    database: Database, connection: Connection, register: Register, worker: Worker
) -> None:
    quotes = register(max_attempts=1)
    set_aside(connection, quotes, worker, "A", "B")

    answer = retry(database, quotes.name, "--json")

    assert answer.exit_code == 0
    assert json.loads(answer.output) == {"data_type": quotes.name, "symbol": None, "released": 2}
    assert retry(database, quotes.name).output == f"Released 0 keys of {quotes.name}.\n"
    assert len(worker.claim(quotes.name)) == 2


def test_what_is_not_there_is_said_with_a_hint(database: Database, quotes: DataType) -> None:
    """As for every command: `main` prints it, with exit status 1."""
    for arguments, words in (
        (("nope",), "data type nope is not registered"),
        (("nope", "A"), "nope A was not released: it is not registered"),
        ((quotes.name, "A"), "A was not released: it has no rows; nobody watches it"),
    ):
        answer = retry(database, *arguments)
        assert answer.exit_code == 1
        said = str(answer.exception)
        assert words in said
        assert said.endswith(")")
        assert "\n" not in said
