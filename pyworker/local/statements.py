"""Splits a migration into its statements at the same places as the Supabase CLI."""

from __future__ import annotations

import re

# What may hide a semicolon, or opens and closes what may. Order matters: an E'' string before the
# word E, a whole word before a dollar quote, since a$b$ is a name. A quote that is never closed
# runs to the end, where the server will say so.
TOKEN = re.compile(
    r"""
    (?P<line_comment>--[^\n]*)
    |(?P<block_comment>/\*)
    |(?P<escape_string>[eE]'(?:[^'\\]|\\.|'')*'?)
    |(?P<string>'(?:[^']|'')*'?)
    |(?P<name>"(?:[^"]|"")*"?)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<number>\d[\w$]*|\$\d+)
    |(?P<dollar_quote>\$(?:[^\W\d]\w*)?\$)
    |(?P<space>\s+)
    |(?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
IGNORED = frozenset({"space", "line_comment", "block_comment"})
COMMENT_EDGE = re.compile(r"/\*|\*/")


def split_statements(text: str) -> list[str]:
    """The statements without their semicolons and outer blanks; empty ones are left out.

    A comment belongs to the statement that follows it, on the same line or a later one; after the
    last semicolon it is a statement of its own, as the CLI has it.
    """
    splitter = _Splitter()
    found: list[str] = []
    start = position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        assert match is not None  # noqa: S101 - the last alternative matches any character
        position = _end_of_token(text, match)
        if splitter.ends_statement(match):
            found.append(text[start : match.start()])
            start = position
    found.append(text[start:])
    return [statement.strip() for statement in found if statement.strip()]


def without_leading_comments(statement: str) -> str:
    """The statement from its first word on, empty when it is nothing but comments."""
    position = 0
    while match := TOKEN.match(statement, position):
        if match.lastgroup not in IGNORED:
            break
        position = _end_of_token(statement, match)
    return statement[position:]


def _end_of_token(text: str, match: re.Match[str]) -> int:
    """Where the token ends; block comments nest, and a dollar quote ends with its own tag."""
    if match.lastgroup == "dollar_quote":
        closing = text.find(match[0], match.end())
        return len(text) if closing < 0 else closing + len(match[0])
    if match.lastgroup != "block_comment":
        return match.end()
    depth, position = 1, match.end()
    while depth:
        edge = COMMENT_EDGE.search(text, position)
        if edge is None:
            return len(text)
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position


class _Splitter:
    """Knows whether a semicolon stands inside parentheses or inside a BEGIN ATOMIC body."""

    def __init__(self) -> None:
        self.parentheses = 0
        self.blocks = 0
        self.previous = ""

    def ends_statement(self, match: re.Match[str]) -> bool:
        if match.lastgroup in IGNORED:
            return False
        piece = match[0].lower() if match.lastgroup in {"word", "mark"} else ""
        if piece == "(":
            self.parentheses += 1
        elif piece == ")":
            self.parentheses = max(self.parentheses - 1, 0)
        elif piece == "atomic" and self.previous == "begin":
            self.blocks = 1
        elif piece == "case" and self.blocks:
            self.blocks += 1
        elif piece == "end" and self.blocks:
            self.blocks -= 1
        self.previous = piece
        return piece == ";" and not self.parentheses and not self.blocks
