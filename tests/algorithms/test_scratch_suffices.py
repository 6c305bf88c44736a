"""The scratch that is planned for an algorithm is what the algorithm needs: it is run in exactly that."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from cnnir.algorithms import Call, Tensor, Unknown, Way, ways
from cnnir.ops import Conv, MaxPool, Op
from cnnir.types import DType
from tests.algorithms.references import Doubles, Floats, columns, fft, separable, transforms, winograd


def tensor(*shape: int) -> Tensor:
    return Tensor(shape, DType.FLOAT32)


def listed(op: Op, inputs: tuple[Tensor, ...], output: Tensor, algorithm: str) -> list[Way]:
    found = ways(op, Call(inputs, (output,)))
    assert not isinstance(found, Unknown)
    return [way for way in found if way.algorithm == algorithm]


def convolved(data: Floats, weight: Floats, pad: int, stride: int = 1) -> Doubles:
    """In float64, by the definition."""
    wide = np.pad(data.astype(np.float64), ((pad, pad), (pad, pad), (0, 0)))
    cells = sliding_window_view(wide, weight.shape[:2], (0, 1))[::stride, ::stride]
    result: Doubles = np.einsum("hwckl,klcf->hwf", cells, weight.astype(np.float64))
    return result


def drawn(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("m", "r"), [(2, 3), (4, 3), (2, 5)])
def test_transforms_are_a_convolution(m: int, r: int) -> None:
    """The matrices that the reference works out give the sums that they stand for."""
    output, filters, inputs = transforms(m, r)
    data, weight = drawn(1, m + r - 1).astype(np.float64), drawn(2, r).astype(np.float64)
    found = output @ ((filters @ weight) * (inputs @ data))
    np.testing.assert_allclose(found, np.correlate(data, weight, "valid"), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("algorithm", "size", "pad", "channels", "filters"),
    [
        ("winograd-2x2-3x3", (13, 10), 1, 24, 40),
        ("winograd-4x4-3x3", (18, 15), 1, 40, 24),
        ("winograd-4x4-3x3", (14, 18), 0, 8, 16),
        ("winograd-4x4-3x3", (56, 56), 1, 128, 128),
        ("winograd-2x2-5x5", (12, 17), 2, 16, 24),
        ("winograd-2x2-3x3", (6, 6), 1, 512, 512),
        ("winograd-4x4-3x3", (6, 6), 1, 512, 512),
        ("winograd-2x2-5x5", (6, 6), 2, 512, 256),
    ],
)
def test_winograd_runs_in_its_scratch(
    algorithm: str, size: tuple[int, int], pad: int, channels: int, filters: int
) -> None:
    """With every number of tile rows, and with no larger error than is said."""
    r = int(algorithm[-1])
    data, weight = drawn(3, *size, channels), drawn(4, r, r, channels, filters)
    expected = convolved(data, weight, pad)
    found = listed(
        Conv((1, 1), (pad,) * 4, (1, 1)),
        (tensor(1, channels, *size), tensor(filters, channels, r, r)),
        tensor(1, filters, *expected.shape[:2]),
        algorithm,
    )
    assert found
    for way in found if size[0] < 56 else found[2:3]:
        result = winograd(way, data, weight, pad)
        assert np.abs(result - expected).max() <= way.error * np.abs(expected).max()


@pytest.mark.parametrize(("stride", "pad", "window"), [(1, 1, 3), (2, 1, 3), (2, 0, 2), (1, 2, 5)])
def test_columns_run_in_their_scratch(stride: int, pad: int, window: int) -> None:
    """With every number of rows, and no padded map beside them."""
    data, weight = drawn(5, 11, 14, 6), drawn(6, window, window, 6, 10)
    expected = convolved(data, weight, pad, stride)
    found = listed(
        Conv((stride,) * 2, (pad,) * 4, (1, 1)),
        (tensor(1, 6, 11, 14), tensor(10, 6, window, window)),
        tensor(1, 10, *expected.shape[:2]),
        "im2col",
    )
    for way in found:
        result = columns(way, data, weight, pad, stride)
        assert np.abs(result - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("size", "pad", "window", "channels", "filters"),
    [((11, 14), 2, 5, 6, 10), ((9, 12), 0, 5, 7, 3), ((28, 28), 3, 7, 16, 24), ((9, 9), 2, 5, 512, 64)],
)
def test_spectra_run_in_their_scratch(
    size: tuple[int, int], pad: int, window: int, channels: int, filters: int
) -> None:
    """With every number of channels, and with no larger error than is said."""
    data, weight = drawn(8, *size, channels), drawn(9, window, window, channels, filters)
    expected = convolved(data, weight, pad)
    found = listed(
        Conv((1, 1), (pad,) * 4, (1, 1)),
        (tensor(1, channels, *size), tensor(filters, channels, window, window)),
        tensor(1, filters, *expected.shape[:2]),
        "fft",
    )
    assert found
    for way in found if channels < 100 else found[-2:]:
        result = fft(way, data, weight, pad)
        assert np.abs(result - expected).max() <= way.error * np.abs(expected).max()


@pytest.mark.parametrize(("stride", "window"), [(1, 3), (2, 3), (2, 2), (3, 2)])
def test_separable_pooling_runs_in_its_scratch(stride: int, window: int) -> None:
    """Exactly the maxima."""
    data = drawn(7, 17, 12, 5)
    expected = sliding_window_view(data, (window, window), (0, 1))[::stride, ::stride].max(axis=(3, 4))
    op = MaxPool((window,) * 2, (stride,) * 2, (0,) * 4)
    for way in listed(op, (tensor(1, 5, 17, 12),), tensor(1, 5, *expected.shape[:2]), "separable"):
        np.testing.assert_array_equal(separable(way, data, window, stride), expected)
