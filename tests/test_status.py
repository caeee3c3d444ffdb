"""`freshness status`: for people and for programs."""

from __future__ import annotations

import json

import psycopg
import pytest
from click.testing import CliRunner, Result

from pyworker.cli import freshness
from pyworker.errors import ConfigurationError
from pyworker.status import Status
from tests.fixtures.data_types import create_data_type
from tests.fixtures.workers import announce_worker

RED = "\x1b[31m"


def call(url: str, *arguments: str, color: bool = False) -> Result:
    """Run the command on a database."""
    return CliRunner().invoke(
        freshness, ["status", *arguments], env={"DATABASE_URL": url}, color=color
    )


def test_people_get_a_table_the_figures_and_what_needs_a_look(own_database: str) -> None:
    """Without colours, since this is no terminal."""
    with psycopg.connect(own_database, autocommit=True) as connection:
        quotes = create_data_type(connection, max_attempts=1)
        create_data_type(connection)
        worker = announce_worker(connection)
        connection.execute(
            "select * from freshness.watch(array[%s], array['AAPL'], 'user:1')", [quotes.name]
        )
        worker.fail(worker.claim(quotes.name)[0], "HTTP 500\nand more")

    answer = call(own_database)

    assert answer.exit_code == 0
    assert "\x1b" not in answer.output
    table, figures, findings = answer.output.rstrip("\n").split("\n\n")
    rows = {line.split()[0]: line.split()[1:9] for line in table.splitlines()}
    assert rows[quotes.name] == ["1", "1", "0", "0", "0", "0", "1", "1"]
    assert "queue_depth" in figures
    assert "MISSED (> 95 %)" in figures
    assert f"! 1 key of {quotes.name} set aside, such as AAPL: HTTP 500 and more" in findings
    assert "! nobody watches or asks for " in findings
    assert RED in call(own_database, color=True).output


def test_programs_get_one_object(own_database: str) -> None:
    """On one line; numbers are numbers."""
    answer = call(own_database, "--json")

    assert answer.exit_code == 0
    assert answer.output.count("\n") == 1
    found = json.loads(answer.output)
    assert list(found) == ["data_types", "figures", "findings"]
    depth = next(figure for figure in found["figures"] if figure["name"] == "queue_depth")
    assert (depth["value"], depth["target"], depth["ok"]) == (0.0, 100.0, True)


def test_nothing_registered_is_said_in_words() -> None:
    """And that nothing needs a look."""
    assert Status([], [], []).text() == (
        "No data type is registered: freshness.register_data_type adds one.\n\n"
        "Nothing needs a look."
    )


def test_an_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every command: `main` prints it, with exit status 1."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    answer = CliRunner().invoke(freshness, ["status"], env={"DATABASE_URL": "nonsense"})
    assert isinstance(answer.exception, ConfigurationError)
    assert str(answer.exception).count("\n") == 0
