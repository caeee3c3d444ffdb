"""`freshness.toml`: what it makes, and with which words it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyworker.configuration import read_configuration
from pyworker.errors import ConfigurationError
from pyworker.http_refresher import HttpFetch

SECRET = "s3cr3t-of-the-tests"
WHOLE = """
[refreshers.quote]
url = "https://api.example/quotes/{symbol}"
rows = "data.items"
timeout = 2.5
[refreshers.quote.headers]
X-Api-Key = "key ${API_KEY}"
[refreshers.quote.columns]
price = "last.price"

[refreshers.profile]
url = "http://127.0.0.1:9000/profiles/{symbol}"
columns = { name = "name" }
"""
QUOTE = '[refreshers.quote]\nurl = "https://api.example/"\ncolumns = {price = "p"}\n'


def refused(folder: Path, content: str | bytes) -> str:
    """Return what is said about a file, without its name."""
    path = folder / "freshness.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(path)
    said = str(caught.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    return said.removeprefix(str(path)).removeprefix(": ").strip()


def test_a_whole_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", SECRET)
    path = tmp_path / "freshness.toml"
    path.write_text(WHOLE)
    quote, profile = read_configuration(path)
    assert (quote.data_type, quote.timeout) == ("quote", 2.5)
    assert quote.fetch == HttpFetch(
        "https://api.example/quotes/{symbol}",
        {"price": "last.price"},
        "data.items",
        {"X-Api-Key": f"key {SECRET}"},
    )
    assert (profile.data_type, profile.timeout) == ("profile", None)
    assert profile.fetch == HttpFetch("http://127.0.0.1:9000/profiles/{symbol}", {"name": "name"})
    assert SECRET not in repr(quote)


def test_no_file_configures_nothing(tmp_path: Path) -> None:
    assert read_configuration(tmp_path / "freshness.toml") == []


def test_an_empty_file_configures_nothing(tmp_path: Path) -> None:
    (tmp_path / "freshness.toml").touch()
    assert read_configuration(tmp_path / "freshness.toml") == []


def test_a_variable_that_is_not_set_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("API_KEY", raising=False)
    monkeypatch.setenv("OTHER_KEY", SECRET)
    said = refused(tmp_path, QUOTE + 'headers = {A = "${OTHER_KEY}", B = "${API_KEY}"}')
    assert said == ("refreshers.quote.headers: API_KEY is not set in the environment or in .env")


def test_a_dollar_without_braces_is_only_a_dollar(tmp_path: Path) -> None:
    path = tmp_path / "freshness.toml"
    path.write_text(QUOTE + 'headers = {A = "$HOME {x} $"}')
    (quote,) = read_configuration(path)
    assert isinstance(quote.fetch, HttpFetch)
    assert quote.fetch.headers == {"A": "$HOME {x} $"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[refreshers", "cannot be read: "),
        (b"\xff", "cannot be read: "),
        ('[refreshers.quote]\nurl = "https://h/"', "refreshers.quote.columns: it is missing"),
        (QUOTE.replace("https", "ftp"), "refreshers.quote.url: String should match pattern"),
        (QUOTE.replace('{price = "p"}', "{}"), "refreshers.quote.columns: Dictionary should have"),
        (QUOTE.replace('"p"', "1"), "refreshers.quote.columns.price: Input should be a valid str"),
        (QUOTE + "timeout = 0", "refreshers.quote.timeout: Input should be greater than 0"),
        (QUOTE + 'timeuot = "5"', "refreshers.quote.timeuot: there is no such setting"),
        ("refreshers = 5", "refreshers: it is not a table"),
        (
            QUOTE.replace("example/", "example/{symbols}"),
            "refreshers.quote: a url with {symbols} needs max_batch, and symbol",
        ),
        (QUOTE + "max_batch = 5", "refreshers.quote: symbol and max_batch are for"),
        (QUOTE + 'epochs = {at = "seconds"}', "refreshers.quote: epochs has at"),
        (QUOTE + 'epochs = {price = "days"}', "refreshers.quote.epochs.price: Input should be"),
        (
            QUOTE.replace("example/", "example/{ticker}"),
            "refreshers.quote.url: {tic",
        ),
        (
            QUOTE.replace("api.example", ":port"),
            "refreshers.quote.url: this is no",
        ),
        (QUOTE.replace("api.example", "h:65536"), "refreshers.quote.url: this is no"),
        (QUOTE.replace("api.example", ""), "refreshers.quote.url: this is no"),
        (
            QUOTE + 'headers = {Key = "a\\n"}',
            "refreshers.quote.headers: header Key",
        ),
        (QUOTE + 'headers = {Key = "ä"}', "refreshers.quote.headers: header Key"),
        (
            QUOTE + 'headers = {"a b" = "c"}',
            "refreshers.quote.headers: header a b",
        ),
        ("[refresher.quote]", "refresher: there is no such setting"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, content: str | bytes, words: str) -> None:
    assert refused(tmp_path, content).startswith(words)


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_configuration(tmp_path)


def test_what_is_refused_repeats_no_value(tmp_path: Path) -> None:
    assert SECRET not in refused(tmp_path, QUOTE + f'headers = ["{SECRET}"]')
    assert SECRET not in refused(tmp_path, QUOTE.replace("https://api.example/", SECRET))


def test_a_variable_in_a_url_comes_from_the_environment_else_from_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOST_NAME", "of-the-environment")
    (tmp_path / ".env").write_text("HOST_NAME=of-the-file\nAPI_KEY=key\n")
    path = tmp_path / "freshness.toml"
    path.write_text(
        '[refreshers.quote]\nurl = "https://${HOST_NAME}/{symbol}?key=${API_KEY}"\n'
        'columns = {price = "price"}\n'
    )
    [quote] = read_configuration(path)
    assert isinstance(quote.fetch, HttpFetch)
    assert quote.fetch.url == "https://of-the-environment/{symbol}?key=key"
