"""Do two graphs compute the same? Both are run on the same seeded inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.interpreter import run
from cnnir.passes.checking.common_input import CommonInput, common_input
from cnnir.passes.checking.distance import TOLERANCE, difference, tolerance
from cnnir.passes.checking.divergence import Divergence, first_divergence
from cnnir.weights import AnyArray


@dataclass(frozen=True, slots=True)
class ValueCheck:
    """What came of a comparison.

    Attributes:
        absolute: Largest difference of an output's elements.
        relative: Largest difference of an output's elements, each relative to the output's largest.
        divergence: Where the values begin to differ by more than the tolerance; None when they do not.
        sizes: Numbers that symbolic dims were bound to for the comparison.
        tolerance: Of the relative difference.
    """

    absolute: float
    relative: float
    divergence: Divergence | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    tolerance: float = TOLERANCE

    @property
    def equal(self) -> bool:
        """True when the outputs agree within the tolerance."""
        return self.relative <= self.tolerance

    @property
    def first(self) -> str | None:
        """Name of the new graph's first value that differs, None when none does."""
        return self.divergence.value if self.divergence is not None else None


def compare_values(
    before: Graph, after: Graph, seed: int = 0, feed: Mapping[str, AnyArray] | None = None
) -> ValueCheck:
    """Run both graphs and compare their outputs; where they differ, find the first value that does.

    Symbolic dims are bound to small sizes that the conditions of both graphs allow; where the one leaves open what the
    other does not, to the other's. Shapes that differ in dims of 1 are the same. An output is compared with the old
    graph's value of its name, where there is none, with the output at its place.

    Args:
        before: The graph as it was.
        after: The graph as it is.
        seed: Of the inputs, and of the sizes.
        feed: What to feed both instead.

    Raises:
        CnnirError: ``value-check`` when the graphs have no common input or outputs, ``value-lost`` when the old one
            runs and the new one does not, ``sizes-not-found``, ``feed-type``, or whatever running the old one raises.
    """
    given = CommonInput(feed, feed) if feed is not None else common_input(before, after, seed)
    pairs = _outputs(before, after)
    ours = run(before, given.before, list(dict.fromkeys(value.name for value, _ in pairs)))
    try:
        theirs = run(after, given.after, list(dict.fromkeys(value.name for _, value in pairs)))
    except CnnirError as error:
        raise CnnirError("value-lost", f"it ran before and does not any more: {error}", node=error.node) from error
    found = [_compared(ours[value.name], theirs[other.name]) for value, other in pairs]
    absolute = max((one[0] for one in found), default=0.0)
    relative = max((one[1] for one in found), default=0.0)
    allowed = tolerance(before)
    where = first_divergence(before, after, given, pairs, allowed) if relative > allowed else None
    return ValueCheck(absolute, relative, where, dict(given.sizes), allowed)


def _outputs(before: Graph, after: Graph) -> list[tuple[Value, Value]]:
    """Each output of the new graph with the value of the old one that it should equal."""
    names = {value.name: value for value in before.values}
    pairs = []
    for place, value in enumerate(after.outputs):
        if value.name in names:
            pairs.append((names[value.name], value))
        elif len(after.outputs) == len(before.outputs):
            pairs.append((before.outputs[place], value))
        else:
            raise CnnirError("value-check", "an output that the network did not have before", node=value.name)
    return pairs


def _compared(left: object, right: object) -> tuple[float, float]:
    """The difference of two outputs; of sequences, the largest of their parts."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return difference(left, right)
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        parts = [_compared(one, other) for one, other in zip(left, right, strict=True)]
        return max((one[0] for one in parts), default=0.0), max((one[1] for one in parts), default=0.0)
    return (0.0, 0.0) if left is None and right is None else (float("inf"), float("inf"))
