"""Both graphs run on the same inputs: how far are the outputs apart, and where does it begin?"""

from collections.abc import Mapping

from cnnir.compare.matching import Matching
from cnnir.compare.measure import Distance, distance
from cnnir.compare.model import Numeric, OutputError
from cnnir.dims import bind
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.interpreter import run, seeded_array
from cnnir.passes.checking.common_input import common_sizes
from cnnir.types import TensorType
from cnnir.weights import AnyArray

TOLERANCE = 1e-4
"""Relative to the largest element of a value: rewrites reorder sums of single precision."""


def numeric(pairs: Matching, feeds: Mapping[str, AnyArray] | None, seed: int) -> Numeric:
    """Run both graphs of a matching and compare all matched values.

    Args:
        pairs: The matching.
        feeds: Arrays by the names of the first graph's inputs; random ones when None, of small sizes that the
            conditions of both graphs allow where sizes are open.
        seed: Of the random ones.

    Returns:
        The comparison; with a reason instead of figures where the graphs cannot be run on the same inputs.
    """
    alone = [value or other for value, other in pairs.inputs if value is None or other is None]
    if alone:
        return Numeric(reason=f"input {alone[0] and alone[0].name} is in one of the graphs only")
    sizes: dict[str, int] = {}
    try:
        if feeds is None:
            sizes = common_sizes(pairs.first, pairs.second, seed)
        ours = dict(feeds) if feeds is not None else _random(pairs.first, sizes, seed)
        theirs = {other.name: ours[value.name] for value, other in pairs.inputs if value and other}
        first, second = _all_values(pairs.first, ours), _all_values(pairs.second, theirs)
    except CnnirError as error:
        return Numeric(reason=str(error))
    except KeyError as error:
        return Numeric(reason=f"no array was fed to the input {error.args[0]}")
    outputs = tuple(_output(value, other, first, second) for value, other in pairs.outputs)
    return Numeric(outputs, _first(pairs, first, second), TOLERANCE, sizes=sizes)


def _random(graph: Graph, sizes: Mapping[str, int], seed: int) -> dict[str, AnyArray]:
    """Seeded inputs, symbolic dims bound."""
    found = dict[str, AnyArray]()
    for value in graph.inputs:
        type_ = value.type
        if isinstance(type_, TensorType):
            type_ = type_.with_shape(tuple(bind(dim, sizes) for dim in type_.shape))
        found[value.name] = seeded_array(Value(value.name, type_), seed)
    return found


def _all_values(graph: Graph, feed: Mapping[str, AnyArray]) -> dict[Value, AnyArray]:
    values = dict.fromkeys([*(value for node in graph.nodes for value in node.outputs), *graph.outputs])
    found = run(graph, feed, [value.name for value in values])
    return {value: found[value.name] for value in values}


def _output(
    value: Value | None, other: Value | None, first: Mapping[Value, AnyArray], second: Mapping[Value, AnyArray]
) -> OutputError:
    if value is None or other is None:
        here = value or other
        return OutputError(here.name if here else "", None, None, "only one of the graphs has this output")
    found = _distance(first[value], second[other])
    if found is None:
        return OutputError(value.name, None, None, "the two values have other shapes, or no real numbers")
    return OutputError(value.name, found.absolute, found.relative)


def _first(
    pairs: Matching, first: Mapping[Value, AnyArray], second: Mapping[Value, AnyArray]
) -> tuple[str, str] | None:
    """The first value, in the order in which the first graph makes them, that differs."""
    for value in (value for node in pairs.first.nodes for value in node.outputs):
        other = pairs.values.get(value)
        if other is None or other not in second:
            continue
        found = _distance(first[value], second[other])
        if found is None or found.relative > TOLERANCE:
            return value.name, other.name
    return None


def _distance(left: AnyArray, right: AnyArray) -> Distance | None:
    same = left is right or (not hasattr(left, "dtype") and not hasattr(right, "dtype") and left == right)
    if same:
        return Distance(0.0, 0.0, 0)
    return distance(left, right) if hasattr(left, "dtype") and hasattr(right, "dtype") else None
