from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid1

import pytest
from psycopg import errors

from pyworker.local.realtime import realtime_subscribe, realtime_unsubscribe
from pyworker.local.realtime_filter import parse_realtime_filter

if TYPE_CHECKING:
    import psycopg

CLAIMS = {"role": "authenticated", "sub": "6e5a3c1e-0f5b-4f1c-9f62-0d7a5f1f2b11"}


@pytest.fixture
def published(postgres: psycopg.Connection, admin: psycopg.Connection) -> psycopg.Connection:
    """The server's connection, with three published tables and one that is not."""
    for name in ("stock_quotes", "stockxquotes", "profiles", "unpublished"):
        postgres.execute(f"create table public.{name} (symbol text, price integer, secret text)")
        postgres.execute(f"revoke all on public.{name} from authenticated")
        postgres.execute(f"grant select (symbol, price) on public.{name} to authenticated")
    postgres.execute(
        "alter publication supabase_realtime add table stock_quotes, stockxquotes, profiles"
    )
    return admin


@pytest.mark.parametrize(
    ("table", "rows"),
    [("profiles", 1), ("stock_quotes", 2), ("*", 3), ("unpublished", 0), ("absent", 0)],
)
def test_there_is_one_row_for_each_published_table_that_matches(
    published: psycopg.Connection, table: str, rows: int
) -> None:
    """An underscore matches any character, because the server does not escape it."""
    found = realtime_subscribe(published, subscription_id=uuid1(), table=table, claims=CLAIMS)
    assert len(found) == rows


def test_filters_are_stored_by_column_and_the_rest_as_given(published: psycopg.Connection) -> None:
    identity = uuid1()
    realtime_subscribe(
        published,
        subscription_id=identity,
        table="profiles",
        filters=parse_realtime_filter("symbol=not.in.(A, B),price=gt.2"),
        claims=CLAIMS,
        event="update",
        selected_columns=["symbol", "price"],
    )
    assert published.execute(
        "select subscription_id, entity::text, filters::text, claims, claims_role::text,"
        " action_filter, selected_columns from realtime.subscription"
    ).fetchall() == [
        (
            identity,
            "profiles",
            '{"(price,gt,2,f)","(symbol,in,\\"{A, B}\\",t)"}',
            CLAIMS,
            "authenticated",
            "UPDATE",
            ["price", "symbol"],
        )
    ]


def test_a_renewed_token_updates_the_row_and_inserts_none(
    published: psycopg.Connection, postgres: psycopg.Connection
) -> None:
    postgres.execute("create schema ours")
    postgres.execute("create table ours.seen (event text)")
    postgres.execute(
        "create function ours.look() returns trigger language plpgsql security definer as"
        " $$begin insert into ours.seen values (tg_op); return null; end$$"
    )
    postgres.execute(
        "create trigger ours after insert or update on realtime.subscription"
        " for each row execute function ours.look()"
    )
    identity = uuid1()
    first, second = (
        realtime_subscribe(
            published,
            subscription_id=identity,
            table="profiles",
            filters=[("symbol", "eq", "AAPL")],
            claims=CLAIMS | {"exp": expiry},
        )
        for expiry in (1, 2)
    )
    assert first == second
    assert postgres.execute("select event from ours.seen").fetchall() == [("INSERT",), ("UPDATE",)]
    assert published.execute("select claims from realtime.subscription").fetchall() == [
        (CLAIMS | {"exp": 2},)
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("absent=eq.1", errors.RaiseException),
        ("secret=eq.1", errors.RaiseException),
        ("price=eq.cheap", errors.InvalidTextRepresentation),
        ("price=in.(1,cheap)", errors.InvalidTextRepresentation),
        (f"symbol=in.({','.join('A' * 101)})", errors.RaiseException),
        ("symbol=is.cheap", errors.RaiseException),
    ],
)
def test_a_filter_that_the_table_does_not_allow_is_refused(
    published: psycopg.Connection, text: str, error: type[Exception]
) -> None:
    """No such column, not selectable, a value of another type, more than 100 values."""
    with pytest.raises(error):
        realtime_subscribe(
            published,
            subscription_id=uuid1(),
            table="profiles",
            filters=parse_realtime_filter(text),
            claims=CLAIMS,
        )
    assert published.execute("select count(*) from realtime.subscription").fetchone() == (0,)


def test_a_column_that_the_role_may_not_read_cannot_be_selected(
    published: psycopg.Connection,
) -> None:
    with pytest.raises(errors.RaiseException, match="invalid column for select secret"):
        realtime_subscribe(
            published,
            subscription_id=uuid1(),
            table="profiles",
            claims=CLAIMS,
            selected_columns=["secret"],
        )


def test_leaving_deletes_all_rows_of_the_binding(published: psycopg.Connection) -> None:
    leaving, staying = uuid1(), uuid1()
    for identity in (leaving, staying):
        realtime_subscribe(published, subscription_id=identity, claims=CLAIMS)
    assert realtime_unsubscribe(published, [leaving]) == 3
    assert published.execute(
        "select distinct subscription_id from realtime.subscription"
    ).fetchall() == [(staying,)]
