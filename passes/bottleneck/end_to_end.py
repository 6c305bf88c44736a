"""What a rewrite does to the outputs of the whole network, measured by running it before and after."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter import run, seeded_feed
from cnnir.passes.base import Journal
from cnnir.weights import AnyArray

Feed = Mapping[str, AnyArray]
"""An array for each input of the graph, by name."""


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """How far the outputs of two graphs are apart, over all inputs that were run.

    Attributes:
        norm: Norm of the difference over the norm of the output as it was; of the output where that is worst.
        largest: Largest difference of an element over the largest element of that output.
        output: Its name.
        inputs: On what both were run, in words.
    """

    norm: float
    largest: float
    output: str
    inputs: str

    def __str__(self) -> str:
        return (
            f"error end to end, on {self.inputs}: {self.norm:.4g} of the norm of {self.output},"
            f" at most {self.largest:.4g} of its largest element"
        )


def end_to_end(before: Graph, after: Graph, feeds: Sequence[Feed] | None = None) -> EndToEnd:
    """Run both graphs and compare their outputs.

    Args:
        before: The graph as it was.
        after: The graph as it is, its outputs in the same order.
        feeds: Inputs; seeded standard-normal ones when None.

    Raises:
        CnnirError: ``outputs-missing`` without outputs, ``output-contents`` for infinities or NaN; from running.
    """
    given = [seeded_feed(before, 0)] if feeds is None else feeds
    words = "seeded random inputs" if feeds is None else "the samples"
    sums = [_Sums() for _ in before.outputs]
    names, others = ([value.name for value in graph.outputs] for graph in (before, after))
    for feed in given:
        ours, theirs = run(before, feed), run(after, feed)
        for name, other, one in zip(names, others, sums, strict=True):
            one.add(name, ours[name], theirs[other])
    results = [EndToEnd(one.norm, one.furthest, name, words) for name, one in zip(names, sums, strict=True)]
    if not results:
        raise CnnirError("outputs-missing", "a graph without outputs has none that differ", got=before.name)
    return max(results, key=lambda one: (one.norm, one.largest))


@dataclass
class _Sums:
    """Squares and largest elements of one output, and of its difference."""

    whole: float = 0.0
    lost: float = 0.0
    peak: float = 0.0
    gap: float = 0.0

    def add(self, name: str, ours: AnyArray, theirs: AnyArray) -> None:
        one, other = (np.asarray(array, np.float64) for array in (ours, theirs))
        if not (np.isfinite(one).all() and np.isfinite(other).all()):
            raise CnnirError("output-contents", "an output holds infinities or NaN", node=name)
        self.whole += float(np.square(one).sum())
        self.lost += float(np.square(one - other).sum())
        self.peak = max(self.peak, float(np.abs(one).max(initial=0.0)))
        self.gap = max(self.gap, float(np.abs(one - other).max(initial=0.0)))

    @property
    def norm(self) -> float:
        return _share(math.sqrt(self.lost), math.sqrt(self.whole))

    @property
    def furthest(self) -> float:
        return _share(self.gap, self.peak)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else (math.inf if part else 0.0)


def note_end_to_end(journal: Journal, before: Graph, after: Graph, feeds: Sequence[Feed] | None) -> None:
    """Write the error into the journal, or why it is not known."""
    try:
        journal.change(str(end_to_end(before, after, feeds)))
    except CnnirError as error:
        journal.refuse(f"the error end to end is not measured: {error}")
