"""Constraints say the same as the conditions that they come from."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnir.constraints import Constraint, at_least, equal, parse_constraint, simplify
from cnnir.dims import UNKNOWN, Dim, bind, is_known, symbol
from cnnir.errors import CnnirError

H, N = symbol("H"), symbol("N")


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (at_least((H - 32) // 32 + 1, 1), "H >= 32"),
        (at_least(2 * H, 7), "H >= 4"),
        (equal(N * 25088, 25088), "N == 1"),
        (equal(H % 32, 0), "H % 32 == 0"),
        (equal(32 * (H // 32), H), "H % 32 == 0"),
        (equal(H, N), "H == N"),
        (at_least((H + 1) // 2 // 3, 2), "H >= 11"),
        (at_least(H, 1), "True"),
        (at_least(3 - H, 3), "False"),
        (equal(2 * H, 7), "False"),
        (at_least(UNKNOWN, 1), "None"),
        (equal(UNKNOWN, 1), "None"),
    ],
)
def test_normal_form(outcome: bool | Constraint | None, text: str) -> None:
    assert str(outcome) == text


def conditions() -> st.SearchStrategy[Dim]:
    """Dims as shape arithmetic makes them."""
    linear = st.tuples(st.integers(-3, 4), st.integers(-2, 3), st.integers(-20, 20)).map(
        lambda t: t[0] * H + t[1] * N + t[2]
    )
    return st.tuples(linear, st.integers(1, 6), st.integers(-3, 3), st.integers(1, 4)).map(
        lambda t: (t[0] // t[1] + t[2]) // t[3]
    )


@settings(max_examples=400, deadline=None)
@given(conditions(), st.integers(-4, 6))
def test_equivalent_to_the_raw_condition(dim: Dim, other: int) -> None:
    for kind, outcome in ((">=", at_least(dim, other)), ("==", equal(dim, other))):
        if isinstance(outcome, Constraint):
            assert parse_constraint(str(outcome)) == outcome
        for h in (1, 2, 3, 7, 20, 33):
            for n in (1, 2, 9):
                value = bind(dim, {"H": h, "N": n})
                assert is_known(value)
                raw = value >= other if kind == ">=" else value == other
                holds = outcome.check({"H": h, "N": n}) if isinstance(outcome, Constraint) else outcome
                assert holds is raw


def constraint(text: str) -> Constraint:
    return parse_constraint(text)


def test_simplify_drops_what_is_implied() -> None:
    found = simplify([constraint(t) for t in ("H >= 2", "H >= 32", "N == 1", "H >= 32", "H + N >= 12", "H >= 7")])
    assert [str(c) for c in found] == ["H >= 32", "N == 1"]


def test_partial_check_leaves_the_rest() -> None:
    rest = constraint("H + N >= 12").check({"N": 2})
    assert str(rest) == "H >= 10"


@pytest.mark.parametrize("text", ["H", "H >= 0", "3 >= 2", "H > 3"])
def test_bad_text(text: str) -> None:
    with pytest.raises(CnnirError):
        parse_constraint(text)
