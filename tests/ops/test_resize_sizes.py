"""Sizes of a Resize by scales: symbolic only where the formula is what the numbers give, for every size."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnir.dims import UNKNOWN, bind, is_known
from cnnir.ops import Resize
from tests.interpreter.judges import by_onnxruntime
from tests.interpreter.single_nodes import Case
from tests.ops.sources import shapes, tensor

SIZES = range(1, 401)


def by_float32(size: int, scale: float) -> int:
    """ONNX Runtime's rule: the product of two float32, rounded to float32, cut."""
    return math.floor(np.float32(size) * np.float32(scale))


def concrete(size: int, scale: float) -> object:
    """What inference gives for a number."""
    ((result,),) = shapes(Resize((scale,)), tensor(size))
    return result


def disagreements(scale: float) -> list[int]:
    """Sizes at which the symbolic size, where there is one, is not that of the numbers."""
    ((dim,),) = shapes(Resize((scale,)), tensor("H"))
    bound = [(size, bind(dim, {"H": size})) for size in SIZES]
    return [size for size, found in bound if is_known(found) and found != by_float32(size, scale)]


@given(st.floats(2**-6, 8.0, allow_nan=False, width=32) | st.fractions(1, 8, max_denominator=30).map(float))
def test_symbolic_is_concrete(scale: float) -> None:
    """Whatever the scale."""
    assert disagreements(scale) == []


@pytest.mark.parametrize("scale", [n / d for d in (3, 5, 6, 7, 9, 10, 16, 64) for n in range(1, 4 * d)])
def test_fractions(scale: float) -> None:
    """The scales that people write, and those that exporters work out from sizes."""
    assert disagreements(scale) == []
    assert all(concrete(size, scale) == by_float32(size, scale) for size in (1, 9, 10, 99, 224, 400))


@pytest.mark.parametrize(("scale", "formula"), [(2.0, "2*H"), (0.5, "H//2"), (1.5, "H + H//2"), (0.375, "(3*H)//8")])
def test_binary_fractions_have_a_formula(scale: float, formula: str) -> None:
    """No product is rounded."""
    ((dim,),) = shapes(Resize((scale,)), tensor("H"))
    assert str(dim) == formula


@pytest.mark.parametrize("scale", [0.7, 1 / 3, 0.1, 1.1])
def test_others_have_none(scale: float) -> None:
    """A size that depends on rounding is not known before the number is."""
    assert shapes(Resize((scale, 2.0)), tensor("H", 5)) == [(UNKNOWN, 10)]


@pytest.mark.parametrize("scale", [0.7, 1.1, 0.3, 2.3])
def test_as_onnxruntime(scale: float) -> None:
    """At 10 times 0.7 it says 7."""
    for size in (1, 3, 10, 20, 30, 70, 90, 333):
        if by_float32(size, scale) > 0:
            case = Case(Resize((scale,), None, "nearest", "asymmetric", "floor"), (np.zeros(size, np.float32),))
            assert by_onnxruntime(case)[0].shape == (concrete(size, scale),)
