"""A run held against another runtime's, value by value: where does it begin to differ?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from cnnir.compare.measure import distance
from cnnir.compare.numeric import TOLERANCE
from cnnir.graph import Graph
from cnnir.interpreter import Done
from cnnir.weights import AnyArray

_STEPS = 8
"""Smallest steps of a float at 1 that two sums of its kind may be apart by: for floats narrower than single ones."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A value that differs.

    Attributes:
        value: Its name.
        node: Label of the node that makes it.
        absolute: The largest difference of two elements.
        relative: The same by the other runtime's largest element; infinite where only one of two is infinite or NaN.
        tolerance: What this would have been allowed to be.
        place: Indices of that element.
        here, there: The two elements.
        reason: Why there are no such numbers; empty when there are.
    """

    value: str
    node: str
    absolute: float | None = None
    relative: float | None = None
    tolerance: float | None = None
    place: tuple[int, ...] = ()
    here: float | None = None
    there: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """How a run stands beside another runtime's.

    Attributes:
        judge: The other runtime.
        compared: How many values were compared.
        differing: How many of them differ by more than is tolerated.
        absent: How many the other runtime has and the run has not: inside of fused steps, or nothing rests on them.
        first: The first value in the order of execution that differs by more than is tolerated.
        largest: The value with the largest relative difference, however small; None where all are equal.
    """

    judge: str
    compared: int
    differing: int
    absent: int
    first: Gap | None
    largest: Gap | None


class Comparison:
    """Watches a run, and compares each value when it is there.

    Args:
        graph: That is run.
        judge: Name of the other runtime.
        theirs: Its values, by name.
        tolerance: Relative to the largest element of each of its values; when None, 1e-4, and more for floats that are
            narrower than single ones.
    """

    def __init__(self, graph: Graph, judge: str, theirs: Mapping[str, AnyArray], tolerance: float | None) -> None:
        self._graph, self._judge, self._theirs, self._tolerance = graph, judge, theirs, tolerance
        self._seen: set[str] = set()
        self._differing: list[Gap] = []
        self._largest: Gap | None = None

    def __call__(self, done: Done) -> None:
        for name, ours in done.made.items():
            if name in self._theirs:
                self._seen.add(name)
                self._compare(name, ours, self._theirs[name])

    @property
    def verdict(self) -> Verdict:
        """What has been found so far."""
        return Verdict(
            self._judge,
            len(self._seen),
            len(self._differing),
            len(self._theirs) - len(self._seen),
            self._differing[0] if self._differing else None,
            self._largest,
        )

    def _compare(self, name: str, ours: AnyArray, theirs: AnyArray) -> None:
        producer = self._graph.value(name).producer
        node = "" if producer is None else producer.label
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            words = f"{ours.dtype}{list(ours.shape)} here, {theirs.dtype}{list(theirs.shape)} there"
            self._differing.append(Gap(name, node, reason=words))
            return
        found = distance(theirs, ours)
        if found is None:
            if not np.array_equal(ours, theirs):
                self._differing.append(Gap(name, node, reason="the elements differ, which are no real numbers"))
            return
        place = tuple(int(index) for index in np.unravel_index(found.where, ours.shape)) if ours.size else ()
        here, there = (float(array[place]) if array.size else None for array in (ours, theirs))
        allowed = tolerated(theirs) if self._tolerance is None else self._tolerance
        gap = Gap(name, node, found.absolute, found.relative, allowed, place, here, there)
        if found.relative > allowed:
            self._differing.append(gap)
        if found.relative > (self._largest.relative or 0 if self._largest else 0):
            self._largest = gap


def tolerated(array: AnyArray) -> float:
    """The tolerance for a value of such elements, relative to its largest."""
    finfo: Any = ml_dtypes.finfo  # which knows NumPy's own floats as well
    try:
        return max(TOLERANCE, _STEPS * float(finfo(array.dtype).eps))
    except ValueError:
        return TOLERANCE  # integers


def verdict_text(verdict: Verdict) -> str:
    """The verdict in a few lines."""
    values = f"{verdict.compared} values" if verdict.compared != 1 else "1 value"
    lines = []
    if verdict.first is None:
        lines.append(f"compared with {verdict.judge}: {values}, none differs by more than is tolerated")
    else:
        lines.append(f"compared with {verdict.judge}: {verdict.differing} of {values} differ by more than is tolerated")
        lines.append(f"  the first: {_gap_text(verdict.first)}")
    if verdict.largest is not None and verdict.largest != verdict.first:
        lines.append(f"  the largest: {_gap_text(verdict.largest)}")
    if verdict.absent:
        lines.append(f"  not compared: {verdict.absent} values that fused steps do not store, or that nothing rests on")
    return "".join(f"{line}\n" for line in lines)


def _gap_text(gap: Gap) -> str:
    place = f"{gap.value}, of {gap.node}"
    if gap.reason:
        return f"{place}: {gap.reason}"
    return (
        f"{place}: {gap.absolute:.3g} at {list(gap.place)}, {gap.here:.6g} here and {gap.there:.6g} there; "
        f"{gap.relative:.2g} of the largest element, {gap.tolerance:.2g} tolerated"
    )


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """The verdict as data; null where a number is not finite."""
    return {
        "judge": verdict.judge,
        "compared": verdict.compared,
        "differing": verdict.differing,
        "absent": verdict.absent,
        "first": _gap_document(verdict.first),
        "largest": _gap_document(verdict.largest),
    }


def _gap_document(gap: Gap | None) -> dict[str, Any] | None:
    if gap is None:
        return None
    figures = ("absolute", "relative", "tolerance", "here", "there")
    return {
        "value": gap.value,
        "node": gap.node,
        **{name: _finite(getattr(gap, name)) for name in figures},
        "place": list(gap.place),
        "reason": gap.reason,
    }


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


__all__ = ["Comparison", "Gap", "Verdict", "tolerated", "verdict_document", "verdict_text"]
