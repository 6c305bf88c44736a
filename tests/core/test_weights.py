"""Lazy weights."""

import numpy as np
import pytest

from cnnir.errors import CnnirError
from cnnir.types import DType
from cnnir.weights import Array, Computed, Fill, Seeded, Weight


def ramp(*shape: int) -> Array:
    """0, 1, 2, ..."""
    return Array.of(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))


WEIGHTS: list[Weight] = [
    ramp(2, 3, 4),
    Fill(DType.FLOAT32, (2, 3, 4), np.float32(0.5)),
    Seeded(DType.FLOAT32, (2, 3, 4), 0, 1, 0.1),
    Computed(DType.FLOAT32, (2, 3, 4), lambda: np.arange(24.0).reshape(2, 3, 4)),
]


@pytest.mark.parametrize("weight", WEIGHTS, ids=lambda weight: type(weight).__name__)
def test_views_agree_with_numpy(weight: Weight) -> None:
    """Reshaped, transposed and sliced, in any order, as the contents would be."""
    array = weight.array()
    assert array.shape == weight.shape
    assert array.dtype == np.float32
    for lazy, eager in (
        (weight.reshaped((6, 4)), array.reshape(6, 4)),
        (weight.transposed((2, 0, 1)), array.transpose(2, 0, 1)),
        (weight.sliced((slice(1), slice(2, None, -1))), array[:1, 2::-1]),
        (weight.transposed((2, 0, 1)).reshaped((8, 3)), array.transpose(2, 0, 1).reshape(8, 3)),
        (weight.reshaped((4, 6)).transposed((1, 0)).sliced((slice(1, 3),)), array.reshape(4, 6).T[1:3]),
    ):
        assert lazy.shape == eager.shape
        assert np.array_equal(lazy.array(), eager)
        assert lazy.equals(Array.of(np.ascontiguousarray(eager)))


@pytest.mark.parametrize("weight", WEIGHTS, ids=lambda weight: type(weight).__name__)
def test_contents_cannot_be_written(weight: Weight) -> None:
    """A weight is immutable, whoever holds its array."""
    if isinstance(weight, Seeded):
        return  # each draw is an array of the caller's own
    with pytest.raises(ValueError, match="read-only"):
        weight.array()[...] = 0


def test_computed_once_and_late() -> None:
    """The function runs when the contents are asked for, and never again."""
    calls: list[int] = []

    def make() -> np.ndarray:
        calls.append(1)
        return np.ones((2, 2))

    weight = Computed(DType.FLOAT32, (2, 2), make).transposed((1, 0))
    assert not calls
    assert weight.array().dtype == np.float32
    weight.array()
    assert len(calls) == 1
    with pytest.raises(CnnirError, match="wrong shape"):
        Computed(DType.FLOAT32, (3,), make).array()


def test_equals() -> None:
    """By type and contents, to the bit; NaN equals itself and zeros of two signs differ."""
    nan = Array.of(np.array([np.nan, 0.0], np.float32))
    assert nan.equals(Array.of(np.array([np.nan, 0.0], np.float32)))
    assert not nan.equals(Array.of(np.array([np.nan, -0.0], np.float32)))
    assert not ramp(2, 3).equals(ramp(3, 2))
    assert Fill(DType.FLOAT32, (2,), np.float32(1)).equals(Array.of(np.ones(2, np.float32)))
    assert not Seeded(DType.FLOAT32, (2,), 0, 1, 1.0).equals(Seeded(DType.FLOAT32, (2,), 0, 2, 1.0))
