"""Refreshers are found in the modules that are named, one for each data type."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pyworker import Context, Job, Refresher, Row, refresher
from pyworker.errors import ConfigurationError
from pyworker.refreshers import by_data_type, load_refreshers


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder to write modules into, forgotten after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def write(folder: Path, name: str, *data_types: str, first: str = "") -> None:
    """Write a module with a refresher for each of these data types."""
    functions = "".join(
        f'\n@refresher("{each}")\nasync def {each}(job, context):\n    return []\n'
        for each in data_types
    )
    (folder / f"{name}.py").write_text(f"from pyworker import refresher\n{first}\n{functions}")


def test_a_decorated_function_is_a_refresher() -> None:
    @refresher("quote", timeout=3)
    async def quote(_job: Job, _context: Context) -> list[Row]:
        return []

    assert isinstance(quote, Refresher)
    assert (quote.data_type, quote.timeout) == ("quote", 3)


def test_modules_of_the_current_folder_are_found(modules: Path) -> None:
    write(modules, "market_one", "quote", "profile")
    write(modules, "market_two", "news")
    found = load_refreshers(" market_one , market_two,")
    assert sorted(by_data_type(found)) == ["news", "profile", "quote"]


def test_no_name_loads_nothing() -> None:
    assert load_refreshers("") == []


def test_a_refresher_that_two_modules_share_is_one(modules: Path) -> None:
    write(modules, "market_shared", "quote")
    write(modules, "market_user", "news", first="from market_shared import quote")
    assert sorted(by_data_type(load_refreshers("market_shared,market_user"))) == ["news", "quote"]


def test_two_refreshers_for_a_data_type_are_refused(modules: Path) -> None:
    write(modules, "market_a", "quote")
    write(modules, "market_b", "quote")
    with pytest.raises(ConfigurationError) as caught:
        by_data_type(load_refreshers("market_a,market_b"))
    assert str(caught.value) == "data type quote has two refreshers (keep one of them)"


def test_a_module_without_a_refresher_is_refused(modules: Path) -> None:
    write(modules, "market_empty")
    with pytest.raises(ConfigurationError) as caught:
        load_refreshers("market_empty")
    assert str(caught.value) == (
        'module market_empty defines no refresher (decorate a function with @refresher("..."))'
    )


@pytest.mark.parametrize(
    ("decorator", "said"),
    [
        ("@refresher", '@refresher needs a data type (write @refresher("quote"))'),
        ('@refresher("")', '@refresher needs a data type (write @refresher("quote"))'),
        ('@refresher("quote", timeout=0)', "timeout of quote is 0 (pass seconds above 0)"),
    ],
)
def test_a_decorator_that_is_used_wrongly_says_how(
    modules: Path, decorator: str, said: str
) -> None:
    write(
        modules,
        "market_misused",
        first=f"from pyworker import refresher\n{decorator}\ndef f(job, context): ...",
    )
    with pytest.raises(ConfigurationError) as caught:
        load_refreshers("market_misused")
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["market_nowhere", ".relative", "json.nowhere", "a b"])
def test_a_name_that_is_no_module_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"module {name} cannot be imported"):
        load_refreshers(name)


@pytest.mark.parametrize("line", ["1 / 0", "raise SystemExit(2)", "import market_nowhere", "a b"])
def test_a_module_that_fails_is_named_with_the_reason(modules: Path, line: str) -> None:
    write(modules, "market_broken", first=line)
    with pytest.raises(ConfigurationError) as caught:
        load_refreshers("market_broken")
    assert caught.value.message.startswith("module market_broken cannot be imported: ")
    assert caught.value.hint == "check FRESHNESS_REFRESHERS"
