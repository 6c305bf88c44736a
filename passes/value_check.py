"""Do two graphs compute the same? Both are run on the same seeded inputs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter import run, seeded_feed
from cnnir.weights import AnyArray

TOLERANCE = 1e-4
"""Relative to the largest element of what is compared: rewrites reorder sums of single precision."""


@dataclass(frozen=True, slots=True)
class ValueCheck:
    """What came of a comparison.

    Attributes:
        absolute: Largest difference of an output's elements.
        relative: Largest difference of an output's elements, each relative to the output's largest.
        first: The first value of both graphs that differs by more than the tolerance, None when none does.
        tolerance: Of the relative difference.
    """

    absolute: float
    relative: float
    first: str | None
    tolerance: float = TOLERANCE

    @property
    def equal(self) -> bool:
        """True when the outputs agree within the tolerance."""
        return self.relative <= self.tolerance


def compare_values(
    before: Graph, after: Graph, seed: int = 0, feed: Mapping[str, AnyArray] | None = None
) -> ValueCheck:
    """Run both graphs and compare their outputs, by position; where they differ, find the first value that does.

    Args:
        before: The graph as it was.
        after: The graph as it is, with the same inputs and as many outputs.
        seed: Of the inputs.
        feed: What to feed instead.

    Raises:
        CnnirError: ``value-check`` when the interfaces differ, ``dims-unbound`` when inputs have no known shape, or
            whatever running them raises.
    """
    inputs = [value.name for value in before.inputs]
    if inputs != [value.name for value in after.inputs] or len(before.outputs) != len(after.outputs):
        raise CnnirError("value-check", "the two graphs have other inputs or outputs", expected=before, got=after)
    given = feed if feed is not None else seeded_feed(before, seed)
    ours = run(before, given, list(dict.fromkeys(value.name for value in before.outputs)))
    theirs = run(after, given, list(dict.fromkeys(value.name for value in after.outputs)))
    pairs = [(ours[a.name], theirs[b.name]) for a, b in zip(before.outputs, after.outputs, strict=True)]
    absolute = max((_difference(a, b)[0] for a, b in pairs), default=0.0)
    relative = max((_difference(a, b)[1] for a, b in pairs), default=0.0)
    first = _first_difference(before, after, given) if relative > TOLERANCE else None
    return ValueCheck(absolute, relative, first)


def _first_difference(before: Graph, after: Graph, feed: Mapping[str, AnyArray]) -> str | None:
    """The first node's output, in the new graph's order, that both have under one name and that differs."""
    known = {value.name for node in before.nodes for value in node.outputs}
    names = [value.name for node in after.nodes for value in node.outputs if value.name in known]
    ours, theirs = run(before, feed, names), run(after, feed, names)
    for name in names:
        if _difference(ours[name], theirs[name])[1] > TOLERANCE:
            return name
    return None


def _difference(left: AnyArray, right: AnyArray) -> tuple[float, float]:
    """Absolute, and relative to the largest element; infinite where shapes or the places of NaN differ."""
    if np.shape(left) != np.shape(right):
        return float("inf"), float("inf")
    if np.size(left) == 0:
        return 0.0, 0.0
    if left.dtype.kind not in "fiub" and not np.issubdtype(left.dtype, np.number):
        return (0.0, 0.0) if np.array_equal(left, right) else (float("inf"), float("inf"))
    wide, other = left.astype(np.float64), right.astype(np.float64)
    same = (wide == other) | (np.isnan(wide) & np.isnan(other))
    if same.all():
        return 0.0, 0.0
    difference = np.abs(wide - other)[~same]
    if not np.isfinite(difference).all():
        return float("inf"), float("inf")
    largest = float(np.abs(wide[np.isfinite(wide)]).max(initial=0.0))
    worst = float(difference.max())
    return worst, worst / largest if largest else float("inf")
