"""How far two computations of one network may lie apart.

Two float32 results of one formula differ by rounding. Beside the largest element of an output the difference is about
1e-6, and a bound of 1e-5 tells it from a mistake: unless the output is what was left when larger numbers cancelled.
Then no constant is right, for the rounding stays as large as the numbers that are gone.

What is right for every network is the backward error (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd
edition, 2002: section 1.5, and (3.4) for inner products). What an op computes is the exact result for operands that are
moved a little: by ``gamma_n = n u / (1 - n u)`` at the most, by ``lambda sqrt(n) u`` with near certainty (N. J. Higham
and T. Mary, A new approach to probabilistic rounding error analysis, SIAM J. Sci. Comput. 41(5), 2019), where n is the
number of terms and u the unit roundoff. How far an output may come to lie from the exact one is then a property of the
network and not of who computes it: the same operands are moved by so much at random, node by node, in float64, and the
outputs watched. An output may differ by what it moved, element by element; where nothing cancels that is far below the
plain bound, which alone decides. Steps are within the measure as well: an element that flips between two integers when
its operand moves by a rounding may be either, and its neighbours may not.

The network is moved by ONNX's reference implementation, which shares no code with the kernels that are judged: a
mistake of theirs cannot widen its own bound. Its float64 values, unmoved, are a second judge: where a runtime is less
accurate than we are (ONNX Runtime's Sigmoid has an absolute error of 1e-7, however small the result) it is the runtime
that lies outside, and ours is compared with them instead.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from cnnir.graph import Graph
from cnnir.interpreter.executor import evaluate

AnyArray: TypeAlias = NDArray[Any]

TERMS = 256
"""About as many terms the longest sums of random networks have: operands move by up to ``sqrt(TERMS)`` roundings."""

SAMPLES = 6
"""Times that the network is moved. That an element hardly moves by chance in all of them is out of the question."""

_EXACT = {"Resize": 1, "Upsample": 1, "Range": 0}
"""Ops whose floating operands from this one on are settings: moved, they would change shapes."""

_WIDE = (np.dtype(np.float32), np.dtype(np.float16))


@dataclass(frozen=True)
class Exact:
    """A value in float64.

    Attributes:
        array: The value.
        spread: How far each element moves when every operand of the network moves by roundings.
    """

    array: AnyArray
    spread: AnyArray


Computed: TypeAlias = Callable[[np.random.Generator | None], dict[str, AnyArray]]
"""All values of a network by name, its operands moved by draws, or left as they are."""


class Sensitivity:
    """The values of a network, and how far they move when every operand moves by roundings.

    Args:
        computed: Who computes them.
        seed: Of the movements.
    """

    def __init__(self, computed: Computed, seed: int = 0) -> None:
        self._computed, self._seed = computed, seed
        self._found: dict[str, Exact] | None = None

    @classmethod
    def by_reference(cls, model: ModelProto, feed: Mapping[str, AnyArray]) -> Self:
        """By ONNX's reference implementation in float64: where kernels are judged."""
        return cls(lambda rng: _by_reference(model, feed, rng))

    @classmethod
    def by_nodes(cls, graph: Graph, feed: Mapping[str, AnyArray]) -> Self:
        """By the graph's own kernels: where two graphs are compared whose nodes have been judged one by one."""
        return cls(lambda rng: _by_nodes(graph, feed, rng))

    def of(self, name: str) -> Exact | None:
        """A value by its name; None where it cannot be computed.

        Worked out when it is first asked for, since hardly any comparison needs it.
        """
        if self._found is None:
            try:
                with np.errstate(all="ignore"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    self._found = self._watched()
            except Exception:  # noqa: BLE001  the reference lacks types and forms; then the plain bound decides
                self._found = {}
        return self._found.get(name)

    def _watched(self) -> dict[str, Exact]:
        still = self._computed(None)
        moved = [self._computed(np.random.default_rng([self._seed, index])) for index in range(SAMPLES)]
        return {name: Exact(array, _spread(array, [other[name] for other in moved])) for name, array in still.items()}


def _by_reference(
    model: ModelProto, feed: Mapping[str, AnyArray], rng: np.random.Generator | None
) -> dict[str, AnyArray]:
    evaluator = ReferenceEvaluator(model)
    given = {**evaluator.rt_inits_, **feed}
    step = max((_roundoff(array) for array in given.values()), default=0.0)
    values: dict[str, Any] = {"": None, **{name: _widened(array) for name, array in given.items()}}
    for node in evaluator.rt_nodes_:
        exact = _EXACT.get(node.op_type, len(node.input))
        operands = [
            _moved(values[name], step, rng) if index < exact else values[name] for index, name in enumerate(node.input)
        ]
        outputs = node.run(*operands, context=values) if node.need_context() else node.run(*operands)
        values.update(zip(node.output, (_widened(array) for array in outputs), strict=False))
    return {name: np.asarray(array) for name, array in values.items() if name}


def _by_nodes(graph: Graph, feed: Mapping[str, AnyArray], rng: np.random.Generator | None) -> dict[str, AnyArray]:
    values = {value.name: value.weight.array() for value in graph.weights if value.weight is not None}
    values.update(feed)
    for node in graph.nodes:
        exact = _EXACT.get(node.op.kind, len(node.inputs))
        given = [None if value is None else values[value.name] for value in node.inputs]
        operands = [
            array if array is None or index >= exact else _moved(array, _roundoff(array), rng)
            for index, array in enumerate(given)
        ]
        values.update(zip((value.name for value in node.outputs), evaluate(node, operands), strict=True))
    return values


def apart(
    ours: AnyArray,
    theirs: AnyArray,
    tolerance: float,
    exact: Callable[[], Exact | None] = lambda: None,
    *,
    second_judge: bool = True,
) -> str | None:
    """What is wrong with an array, or None.

    Args:
        ours: What is judged; of the same shape and element type, or that is what is wrong.
        theirs: What it is judged by.
        tolerance: The plain bound, relative to the largest finite element.
        exact: The value in float64, and its spread; asked only where the plain bound does not hold.
        second_judge: Whether it is enough to agree with that value.
    """
    if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
        return f"{ours.dtype}{list(ours.shape)} instead of {theirs.dtype}{list(theirs.shape)}"
    if ours.dtype.kind not in "fiub":
        return None if np.array_equal(ours, theirs) else "other elements"
    error, bound = _distance(ours, theirs), tolerance * _largest(theirs)
    if ours.dtype.kind == "f":
        # Products that underflow are off by the smallest numbers there are (Higham, section 2.1, (2.8)).
        bound = max(bound, 4 * float(np.finfo(ours.dtype).smallest_subnormal))
    if bool((error <= bound).all()):
        return None
    known = exact()
    if known is not None and known.array.shape == ours.shape:
        # Both lie within the spread of the exact result, so within twice of it of each other.
        if bool((error <= np.maximum(bound, 2 * known.spread)).all()):
            return None
        if second_judge and bool((_distance(ours, known.array) <= np.maximum(bound, known.spread)).all()):
            return None
    worst = np.unravel_index(int(np.argmax(error)), error.shape)
    place, largest = [int(index) for index in worst], _largest(theirs)
    return f"{ours[worst]} instead of {theirs[worst]} at {place}, the largest being {largest:.6g}"


def farthest(
    found: Mapping[str, AnyArray], expected: Sequence[AnyArray], tolerance: float, sensitivity: Sensitivity
) -> str | None:
    """The first output that is `apart`, by name, or None."""
    for (name, ours), theirs in zip(found.items(), expected, strict=True):
        wrong = apart(ours, theirs, tolerance, lambda name=name: sensitivity.of(name))  # type: ignore[misc]
        if wrong is not None:
            return f"{name}: {wrong}"
    return None


def _largest(array: AnyArray) -> float:
    """The largest finite element of a floating array; 0 for others, which are equal or not."""
    if array.dtype.kind != "f":
        return 0.0
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def _distance(one: AnyArray, other: AnyArray) -> AnyArray:
    """Of each element; 0 between equal infinities and between NaNs, infinite between a number and a NaN."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    with np.errstate(invalid="ignore"):
        gap = np.abs(one - other)
    equal = (one == other) | (np.isnan(one) & np.isnan(other))
    return np.where(equal, 0.0, np.where(np.isnan(gap), np.inf, gap))


def _spread(still: AnyArray, moved: Sequence[AnyArray]) -> AnyArray:
    if still.dtype.kind not in "fiub":
        return np.zeros(still.shape)
    spread: AnyArray = np.max([_distance(other, still) for other in moved], axis=0, initial=0.0)
    return spread


def _roundoff(array: Any) -> float:
    """The unit roundoff of a floating array, times the square root of the terms of a sum."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        return 0.0
    # Narrow floats are computed in float32, and rounded on the way from node to node or not.
    unit = float(np.finfo(array.dtype).eps) / 2
    return 4 * unit if array.dtype == np.float16 else unit * TERMS**0.5


def _widened(array: Any) -> Any:
    return array.astype(np.float64) if isinstance(array, np.ndarray) and array.dtype in _WIDE else array


def _moved(array: Any, step: float, rng: np.random.Generator | None) -> Any:
    if rng is None or not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.size == 0:
        return array
    moved = array * (1.0 + step * rng.uniform(-1.0, 1.0, array.shape))
    if array.dtype == np.float16:
        # Products of a few small numbers underflow: an absolute error (Higham, section 2.1, (2.8)).
        moved = moved + float(np.finfo(np.float16).smallest_subnormal) * rng.uniform(-1.0, 1.0, array.shape)
    return np.asarray(moved, array.dtype)
