from __future__ import annotations

import pytest

from tests.pgtap.tap import read_tap


@pytest.mark.parametrize(
    ("output", "problems"),
    [
        ("1..2\nok 1 - a\nok 2 - b\n", []),
        ("1..1\nok 1\n", []),
        ("1..1\nnot ok 1 - a\n# have: 1\n# want: 2\n", ["1: a\n    have: 1\n    want: 2"]),
        ("1..1\nnot ok 1 - a # TODO later\n# have: 1\n", []),
        ("1..1\nok 1 # SKIP not here\n", []),
        ("1..0 # SKIP nothing to test\n", []),
        ("1..3\nok 1 - a\n", ["planned 3 tests, but ran 1"]),
        ("1..1\nok 1 - a\nok 2 - b\n", ["planned 1 tests, but ran 2"]),
        ("", ["no plan: the file ended before `select plan(n)`"]),
        ("ok 1 - a\n1..1\n", []),
        ("1..1\nok 1 - of 3 # 2 hold\nresult of a statement\n", []),
    ],
)
def test_a_file_passes_only_if_all_its_planned_tests_ran_and_none_failed(
    output: str, problems: list[str]
) -> None:
    assert read_tap(output).problems() == problems
