"""Casts between all element types, and the rounding to floats of 8, 6 and 4 bits, by fractions and onnxruntime."""

import functools
from fractions import Fraction
from typing import Any

import numpy as np
import onnxruntime
import pytest

from cnnir.errors import CnnirError
from cnnir.exporters.onnx import write
from cnnir.graph import Graph
from cnnir.ops import Cast, DequantizeLinear, QuantizeLinear
from cnnir.types import DType, TensorType
from cnnir.weights import Array
from tests.interpreter.judges import AnyArray, run
from tests.interpreter.single_nodes import Case

EIGHT_BITS = [DType.FLOAT8E4M3FN, DType.FLOAT8E4M3FNUZ, DType.FLOAT8E5M2, DType.FLOAT8E5M2FNUZ]
NARROW = [*EIGHT_BITS, DType.FLOAT6E2M3, DType.FLOAT6E3M2, DType.FLOAT4E2M1]
POWERS = DType.FLOAT8E8M0
TYPES = [dtype for dtype in DType if dtype not in (DType.STRING, DType.COMPLEX64, DType.COMPLEX128)]


def by_cast(x: AnyArray, op: Cast) -> AnyArray:
    """What the node makes of the array."""
    (got,) = run(Case(op, (x,)))
    assert DType.of(got.dtype) is op.to
    return got


@functools.cache
def held(dtype: DType) -> list[Fraction]:
    """All that the type holds from 0 up, in the order of the codes, and what one more code would stand for."""
    count = 1 << ((dtype.bits or 0) - 1)
    decoded = np.arange(count, dtype=np.uint8).view(dtype.numpy).astype(np.float64)
    numbers = [Fraction(float(number)) for number in decoded if np.isfinite(number)]
    return [*numbers, 2 * numbers[-1] - numbers[-2]]


def nearest(x: float, dtype: DType, *, saturate: bool) -> float:
    """The nearest one, of two equally near ones that with the even code; NaN or infinity where there is none."""
    numbers, size = held(dtype), abs(Fraction(x))
    code = min(range(len(numbers)), key=lambda at: (abs(numbers[at] - size), at % 2))
    if code == len(numbers) - 1 or size > numbers[-1]:
        if not saturate and dtype is DType.FLOAT8E5M2:
            return float(np.copysign(np.inf, x))
        if not saturate and dtype in EIGHT_BITS:
            return float("nan")
        code = len(numbers) - 2
    return float(np.copysign(float(numbers[code]), x))


def awkward(dtype: DType, seed: int) -> AnyArray:
    """Float64: numbers of the type, the middles between them, a hair beside those, and others of all magnitudes."""
    rng = np.random.default_rng(seed)
    numbers = np.array([float(number) for number in held(dtype)])
    middles = (numbers[1:] + numbers[:-1]) / 2
    spread = rng.uniform(1, 2, 300) * 2.0 ** rng.integers(-20, 18, 300)
    found = np.concatenate([numbers, middles, middles * (1 + 2.0**-45), middles * (1 - 2.0**-45), spread, [1e300]])
    return np.asarray(found * rng.choice([-1, 1], found.shape))


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("dtype", NARROW, ids=lambda dtype: dtype.value)
def test_rounded_once_to_the_nearest(dtype: DType, saturate: bool) -> None:
    """From float64: no rounding on the way moves a number to the wrong side of a middle."""
    x = awkward(dtype, 3)
    got = by_cast(x, Cast(dtype, saturate)).astype(np.float64)
    np.testing.assert_array_equal(got, [nearest(float(item), dtype, saturate=saturate) for item in x])


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("dtype", EIGHT_BITS, ids=lambda dtype: dtype.value)
def test_table_of_special_numbers(dtype: DType, saturate: bool) -> None:
    """The rows of the two tables in the operator specification: 0, -0, NaN, Inf, -Inf, beyond the largest."""
    x = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e6, -1e6], np.float32)
    got = by_cast(x, Cast(dtype, saturate)).astype(np.float64)
    largest, nan, inf = float(held(dtype)[-2]), np.nan, np.inf
    beyond = [largest, -largest] * 2
    if not saturate:
        beyond = [inf, -inf] * 2 if dtype is DType.FLOAT8E5M2 else [nan] * 4
    np.testing.assert_array_equal(got, [0, 0, nan, *beyond])
    assert not np.signbit(got[0])
    assert np.signbit(got[1]) == (not dtype.value.endswith("uz"))


@pytest.mark.parametrize("source", [np.float16, np.float32])
@pytest.mark.parametrize("dtype", EIGHT_BITS, ids=lambda dtype: dtype.value)
def test_as_onnxruntime_casts(dtype: DType, source: Any) -> None:
    """Forth and back; saturated, for onnxruntime takes 480 for 448 where it should be NaN."""
    with np.errstate(over="ignore"):
        x = np.concatenate([awkward(dtype, 5), [np.inf, -np.inf, np.nan]]).astype(source)
    graph = Graph()
    value = graph.add_input("x", TensorType(DType.of(x.dtype), x.shape))
    narrow = graph.add_node(Cast(dtype), [value]).output
    graph.set_outputs([graph.add_node(Cast(DType.FLOAT32), [narrow], outputs=["y"]).output])
    np.testing.assert_array_equal(graph.run({"x": x})["y"], judged(graph, x))


def judged(graph: Graph, x: AnyArray) -> AnyArray:
    """Output y by onnxruntime."""
    session = onnxruntime.InferenceSession(write(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


@pytest.mark.parametrize("rounding", ["up", "down", "nearest"])
@pytest.mark.parametrize("saturate", [True, False])
def test_powers_of_two(saturate: bool, rounding: Any) -> None:
    """By exact comparison with all of them; as the table has it for what lies outside."""
    rng = np.random.default_rng(7)
    powers = 2.0 ** np.arange(-127, 128)
    inside = np.concatenate([powers, powers[:-1] * 1.5, powers[:-1] * (1.5 - 2.0**-50), powers[:-1] * (1 + 2.0**-52)])
    inside = np.concatenate([inside, powers[:-1] * rng.uniform(1, 2, 254)])
    outside = np.array([np.nan, 0.0, 1e-300, np.inf, 1.8e38])
    got = by_cast(np.concatenate([inside, outside]), Cast(POWERS, saturate, rounding)).astype(np.float64)
    np.testing.assert_array_equal(got[: inside.size], [power_of_two(float(x), rounding) for x in inside])
    smallest, largest, nan = powers[0], powers[-1], np.nan
    wanted = [nan, smallest, smallest, largest, largest] if saturate else [nan] * 5
    np.testing.assert_array_equal(got[inside.size :], wanted)


def power_of_two(x: float, rounding: str) -> float:
    """The one below, above or nearest."""
    powers = [Fraction(2) ** exponent for exponent in range(-127, 128)]
    below, above = max(p for p in powers if p <= x), min(p for p in powers if p >= x)
    if rounding == "nearest":
        return float(below if x - below < above - x else above)
    return float(above if rounding == "up" else below)


def test_powers_of_two_of_long_integers() -> None:
    """Whole numbers that float64 does not hold are not rounded before they are rounded up."""
    x = np.array([2**60, 2**60 + 1, 2**62 - 1, 2**53 + 1, 1], np.int64)
    got = by_cast(x, Cast(POWERS)).astype(np.float64)
    np.testing.assert_array_equal(got, [2.0**60, 2.0**61, 2.0**62, 2.0**54, 1])
    down = by_cast(np.array([2**64 - 1, 2**63 + 5], np.uint64), Cast(POWERS, rounding="down")).astype(np.float64)
    np.testing.assert_array_equal(down, [2.0**63, 2.0**63])


@pytest.mark.parametrize("to", TYPES, ids=lambda dtype: dtype.value)
def test_every_pair_of_types(to: DType) -> None:
    """Numbers that both types hold are the same in both."""
    for source in TYPES:
        numbers = [1, 2, 4] if source is POWERS else [0, 1, 2, 3]
        least = min(2 if dtype in (DType.INT2, DType.BOOL) else 4 for dtype in (source, to))
        numbers = [number for number in numbers if number < least and (to is not POWERS or number in (1, 2))]
        x = np.array([numbers] * 3, np.float32).astype(source.numpy)
        got = by_cast(x, Cast(to))
        np.testing.assert_array_equal(got.astype(np.float32), [numbers] * 3, f"{source.value} to {to.value}")


def test_integers_lose_their_high_bits() -> None:
    """As two's complement has it, also where there are fewer than eight bits."""
    x = np.array([200, -9, 17, -128], np.int16)
    np.testing.assert_array_equal(by_cast(x, Cast(DType.INT4)).astype(int), [-8, 7, 1, 0])
    np.testing.assert_array_equal(by_cast(x, Cast(DType.UINT4)).astype(int), [8, 7, 1, 0])
    np.testing.assert_array_equal(by_cast(x, Cast(DType.INT8)).astype(int), [-56, -9, 17, -128])


@pytest.mark.parametrize("dtype", NARROW, ids=lambda dtype: dtype.value)
def test_quantised_per_axis(dtype: DType) -> None:
    """The quotient is rounded once, by exact fractions; dequantised again it is the rounded number times the scale."""
    rng = np.random.default_rng(11)
    x = np.asarray(rng.normal(0, 300, (2, 3, 50)), np.float32)
    scale = np.array([0.5, 3.0, 0.007], np.float32)
    zero = np.zeros(3, dtype.numpy)
    (got,) = run(Case(QuantizeLinear(dtype, 1), (x, scale, zero)))
    quotients = x / scale[:, None]
    wanted = np.vectorize(lambda item: nearest(float(item), dtype, saturate=True))(quotients)
    np.testing.assert_array_equal(got.astype(np.float64), wanted)
    (back,) = run(Case(DequantizeLinear(DType.FLOAT32, 1), (got, scale, zero)))
    np.testing.assert_array_equal(back, wanted.astype(np.float32) * scale[:, None])


@pytest.mark.parametrize("dtype", EIGHT_BITS, ids=lambda dtype: dtype.value)
def test_as_onnxruntime_quantises(dtype: DType) -> None:
    """Forth and back, per axis."""
    x = np.asarray(np.random.default_rng(13).normal(0, 100, (4, 3, 20)), np.float32)
    graph = Graph()
    value = graph.add_input("x", TensorType(DType.FLOAT32, x.shape))
    scale = graph.add_weight("s", Array.of(np.array([0.25, 1.7, 0.01], np.float32)))
    zero = graph.add_weight("z", Array.of(np.zeros(3, dtype.numpy)))
    narrow = graph.add_node(QuantizeLinear(dtype, 1), [value, scale, zero]).output
    dequantized = graph.add_node(DequantizeLinear(DType.FLOAT32, 1), [narrow, scale, zero], outputs=["y"])
    graph.set_outputs([dequantized.output])
    np.testing.assert_array_equal(graph.run({"x": x})["y"], judged(graph, x))


def test_precision_of_the_division() -> None:
    """Divided in float16, 2049 is 2048 already."""
    x, scale = np.array([2049.0, 2051.0], np.float32), np.array(1.0, np.float32)
    (plain,) = run(Case(QuantizeLinear(DType.INT16), (x, scale, np.zeros((), np.int16))))
    (coarse,) = run(Case(QuantizeLinear(DType.INT16, precision=DType.FLOAT16), (x, scale, np.zeros((), np.int16))))
    assert (plain.tolist(), coarse.tolist()) == ([2049, 2051], [2048, 2052])


def test_one_meaning_one_form() -> None:
    """What an element type does not heed is not told apart."""
    assert Cast(DType.INT8, saturate=False, rounding="down") == Cast(DType.INT8)
    assert Cast(DType.FLOAT4E2M1, saturate=False) == Cast(DType.FLOAT4E2M1)
    assert Cast(DType.FLOAT8E5M2, saturate=False, rounding="nearest") == Cast(DType.FLOAT8E5M2, saturate=False)
    assert QuantizeLinear(DType.INT8, saturate=False) == QuantizeLinear(DType.INT8)
    with pytest.raises(CnnirError, match="no such rounding"):
        by_cast(np.ones(2, np.float32), Cast(POWERS, rounding="odd"))  # type: ignore[arg-type]
