"""Dims agree with plain integers, and print what reads back."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnir.dims import (
    UNKNOWN,
    Dim,
    SymbolicDim,
    bind,
    bounds,
    ceil_div,
    decide_at_least,
    decide_equal,
    format_dim,
    is_known,
    parse_dim,
    product,
    symbol,
    symbols,
)
from cnnir.errors import CnnirError

H, W, N = symbol("H"), symbol("W"), symbol("N")


def chain(size: Dim, layers: list[tuple[int, int, int, bool]]) -> Dim:
    """Output size after layers of (kernel, padding, stride, ceil)."""
    for kernel, padding, stride, ceil in layers:
        reach = size + (2 * padding - kernel)
        size = (ceil_div(reach, stride) if ceil else reach // stride) + 1
    return size


def test_ten_thousand_convolution_chains_agree_with_integers() -> None:
    generator = random.Random(20260101)
    for _ in range(10_000):
        layers = [
            (generator.randint(1, 7), generator.randint(0, 3), generator.randint(1, 4), generator.random() < 0.3)
            for _ in range(generator.randint(1, 7))
        ]
        symbolic = chain(H, layers)
        for size in (1, generator.randint(2, 64), generator.randint(65, 1024)):
            assert bind(symbolic, {"H": size}) == chain(size, layers), layers


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (chain(H, [(3, 1, 2, False)] * 5), "(H + 31)//32"),
        (chain(H, [(2, 0, 2, False)] * 5), "H//32"),
        ((H - 1) // 2 + 1, "(H + 1)//2"),
        ((H - 224) // 32 + 1, "H//32 - 6"),
        ((2 * H + 1) // 4, "H//2"),
        (N * 512 * (H // 32) * (W // 32), "512*N*(H//32)*(W//32)"),
        (H - H, "0"),
        (-(H // 2), "-(H//2)"),
        (3 - H, "-H + 3"),
        (H % 8, "H - 8*(H//8)"),
        (N * H // N, "H"),
        (symbol("batch size"), '"batch size"'),
        (UNKNOWN * 3 + H, "?"),
        ((H * 6 + 4) // 6, "H"),
    ],
)
def test_canonical_text(dim: Dim, text: str) -> None:
    assert format_dim(dim) == text
    assert parse_dim(text) == dim


def trees() -> st.SearchStrategy[tuple[str, Dim]]:
    """Random expressions as Python source over A and B, beside the dim that they build."""
    leaves = st.one_of(
        st.integers(-9, 9).map(lambda n: (f"({n})", n)), st.sampled_from([("A", symbol("A")), ("B", symbol("B"))])
    )

    def grow(children: st.SearchStrategy[tuple[str, Dim]]) -> st.SearchStrategy[tuple[str, Dim]]:
        def combine(parts: tuple[tuple[str, Dim], str, tuple[str, Dim], int]) -> tuple[str, Dim]:
            (left, a), sign, (right, b), number = parts
            if sign == "+":
                return f"({left} + {right})", a + b
            if sign == "-":
                return f"({left} - {right})", a - b
            if sign == "*":
                return f"({left} * {right})", a * b
            if sign == "//":
                return f"({left} // {number})", a // number
            return f"({left} % {number})", a % number

        return st.tuples(children, st.sampled_from(["+", "-", "*", "//", "%"]), children, st.integers(1, 6)).map(
            combine
        )

    return st.recursive(leaves, grow, max_leaves=6)


@settings(max_examples=400, deadline=None)
@given(trees(), st.integers(1, 60), st.integers(1, 60))
def test_expressions_agree_with_python(tree: tuple[str, Dim], a: int, b: int) -> None:
    source, dim = tree
    expected = eval(source, {"A": a, "B": b})
    assert bind(dim, {"A": a, "B": b}) == expected
    assert bind(bind(dim, {"A": a}), {"B": b}) == expected
    low, high = bounds(dim)
    assert low is None or low <= expected
    assert high is None or high >= expected


@settings(max_examples=300, deadline=None)
@given(trees(), trees())
def test_text_reads_back_and_decisions_hold(left: tuple[str, Dim], right: tuple[str, Dim]) -> None:
    assert parse_dim(format_dim(left[1])) == left[1]
    at_least, same = decide_at_least(left[1], right[1]), decide_equal(left[1], right[1])
    for a in (1, 2, 5, 17):
        for b in (1, 3, 8):
            x, y = (bind(dim, {"A": a, "B": b}) for dim in (left[1], right[1]))
            assert is_known(x)
            assert is_known(y)
            assert at_least is None or at_least == (x >= y)
            assert same is None or same == (x == y)


def test_binding_to_symbols_and_partially() -> None:
    area = H * W // 4
    assert bind(area, {"W": 8}) == 2 * H
    assert symbols(bind(area, {"H": symbol("S")})) == {"S", "W"}
    assert bind(5, {"H": 1}) == 5


def test_product_keeps_zero_and_unknown_apart() -> None:
    assert product([2, 3, 4]) == 24
    assert product([UNKNOWN, 0]) == 0
    assert product([UNKNOWN, 2]) == UNKNOWN
    assert product([]) == 1


def test_unknown_decides_nothing() -> None:
    assert decide_equal(UNKNOWN, UNKNOWN) is None
    assert decide_at_least(UNKNOWN, 0) is None
    assert UNKNOWN == UNKNOWN - 3
    assert isinstance(H // W, SymbolicDim)


@pytest.mark.parametrize(
    ("text", "column"), [("", 1), ("H +", 4), ("(H", 3), ("H 2", 3), ("H // 0", 7), ("3 $", 3), ('""', 3)]
)
def test_bad_text_names_the_column(text: str, column: int) -> None:
    with pytest.raises(CnnirError, match=f"column {column} ") as caught:
        parse_dim(text)
    assert caught.value.code == "dim-syntax"


def test_a_divisor_bound_to_zero_is_refused() -> None:
    with pytest.raises(CnnirError) as caught:
        bind(H // W, {"W": 0})
    assert caught.value.code == "dim-division"


def test_bounds_are_exact() -> None:
    """Whole numbers of any size: a rounded bound would prove what is not so."""
    n = symbol("N")
    assert decide_at_least(2**53 * n - (2**53 + 1), 0) is None
    assert decide_at_least(2**53 * n - 2**53, 0) is True
    assert bounds(10**400 * n) == (10**400, None)
    assert bounds(5 - 3 * n * n) == (None, 2)
