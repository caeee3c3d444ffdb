from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyworker.local.statements import split_statements, without_leading_comments

# Each one is a whole statement, with all the semicolons that do not end it.
WHOLE = [
    "select 'a;b', 'it''s; fine'",
    r"select E'it\'s; fine', e'\\'",
    r"select '\'",
    'select 1 as "a;b", 2 as "say ""so;"""',
    "select $$a;b$$, $tag$ $$;$$ ; $inner$ ; $inner$ $tag$",
    "select 1 as a$b$, 2 as c$b$",
    "select /* ; /* nested ; */ still ; */ 1",
    "-- first; comment\nselect 1",
    "select 1 -- a; b",
    "select /* unclosed \" ' ; */ 1",
    "select 1 -- it's\n, 2",
    "create function f() returns text language sql as $ü$ select ';'; $ü$",
    "create function f() returns int language sql begin atomic select 1; select 2; end",
    "create function f() returns int language sql BEGIN ATOMIC\n"
    "  select case when true then case 1 when 1 then 2 end end; select 3;\nEND",
    "create procedure p() language sql begin atomic select 1 as \"end\"; select 'end'; end",
    "create procedure p() language sql begin atomic /* end */ select 1; -- case\n select 2; end",
    "create procedure p() language sql begin /* ; */ atomic select 1; select 2; end",
    "create rule r as on insert to a do also (select 1; select 2)",
    "do $$ begin if true then null; end if; end; $$",
    "create table begin (atomic int, begin int)",
    "select 1 as begin, 2 as atomic",
    "select\r\n 1",
]


@pytest.mark.parametrize("statement", WHOLE)
def test_a_statement_is_not_cut_where_a_semicolon_is_hidden(statement: str) -> None:
    text = f"select 0;{statement}\n; select 9;"
    assert split_statements(text) == ["select 0", statement, "select 9"]


@given(st.lists(st.sampled_from(WHOLE), max_size=6))
def test_joined_statements_come_apart_again(statements: list[str]) -> None:
    assert split_statements("\n;\n".join(statements)) == statements


@given(st.text(alphabet="ab eE'\"$;-/*()\n\\", max_size=40))
def test_any_text_is_split_without_losing_a_character(text: str) -> None:
    """Only semicolons and blanks go."""
    kept = "".join("".join(split_statements(text)).split()).replace(";", "")
    assert kept == "".join(text.split()).replace(";", "")


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        (" ;;\n ; ", []),
        ("-- only a comment;", ["-- only a comment;"]),
        ("select 1; -- last\n", ["select 1", "-- last"]),
        ("select 1; /* last */ ;", ["select 1", "/* last */"]),
        ("select 'never closed; select 2;", ["select 'never closed; select 2;"]),
        ("select $$never closed; select 2;", ["select $$never closed; select 2;"]),
        ("/* never closed; select 2;", ["/* never closed; select 2;"]),
    ],
)
def test_comments_and_loose_ends(text: str, statements: list[str]) -> None:
    assert split_statements(text) == statements


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("-- why\n/* how */ start transaction", "start transaction"),
        ("(select 1) -- last", "(select 1) -- last"),
        ("-- only a comment", ""),
        ("", ""),
    ],
)
def test_a_statement_begins_after_its_comments(statement: str, code: str) -> None:
    assert without_leading_comments(statement) == code
