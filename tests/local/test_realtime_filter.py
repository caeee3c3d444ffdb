from __future__ import annotations

import pytest

from pyworker.local.realtime_filter import RealtimeFilter, parse_realtime_filter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("symbol=eq.AAPL", [RealtimeFilter("symbol", "eq", "AAPL")]),
        ("symbol=eq.", [RealtimeFilter("symbol", "eq", "")]),
        ("symbol=eq.BRK.B", [RealtimeFilter("symbol", "eq", "BRK.B")]),
        ("symbol=not.eq.AAPL", [RealtimeFilter("symbol", "eq", "AAPL", negate=True)]),
        ("symbol=in.(AAPL, MSFT)", [RealtimeFilter("symbol", "in", "{AAPL, MSFT}")]),
        ("symbol=not.in.(A,B)", [RealtimeFilter("symbol", "in", "{A,B}", negate=True)]),
        ('symbol=in.("x,y",")")', [RealtimeFilter("symbol", "in", '{"x,y",")"}')]),
        ('symbol=eq."x,y"', [RealtimeFilter("symbol", "eq", "x,y")]),
        (r'symbol=eq."a\"b\\c"', [RealtimeFilter("symbol", "eq", r"a\"b\c".replace("\\", "", 1))]),
        ("symbol=eq.O'Neil (US)", [RealtimeFilter("symbol", "eq", "O'Neil (US)")]),
        ("symbol=eq.(A)", [RealtimeFilter("symbol", "eq", "(A)")]),
        ("symbol=eq.株式", [RealtimeFilter("symbol", "eq", "株式")]),
        ("a=eq.1,b=gt.2", [RealtimeFilter("a", "eq", "1"), RealtimeFilter("b", "gt", "2")]),
        (
            "a=in.(1,2), b=is.null",
            [RealtimeFilter("a", "in", "{1,2}"), RealtimeFilter("b", "is", "null")],
        ),
    ],
)
def test_a_filter_is_read_as_the_server_stores_it(
    text: str, expected: list[RealtimeFilter]
) -> None:
    assert parse_realtime_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("symbol", "not a filter like column=eq.value: 'symbol'"),
        ("symbol=AAPL", "not a filter"),
        ("symbol=equals.AAPL", "unknown operator 'equals'"),
        ("a=eq.1,", "not a filter"),
        ("a=eq.1,MSFT", "not a filter like column=eq.value: 'MSFT'"),
    ],
)
def test_what_is_no_filter_is_shown(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_realtime_filter(text)
