"""From bodies to offsets: one method after the other, until the bound is reached or all have had their turn."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from cnnir.passes.memory.placement.calendar import by_size
from cnnir.passes.memory.placement.cpsat import Solver, require_solver
from cnnir.passes.memory.placement.exact import Exact
from cnnir.passes.memory.placement.greedy import greedy_placements, noisy_placements, swept
from cnnir.passes.memory.placement.instance import Instance, instance_of
from cnnir.passes.memory.placement.model import Answer, Placeable, Placement, bodies_of
from cnnir.passes.memory.placement.repair import Repair
from cnnir.passes.memory.placement.search import Searcher

EFFORT = 2_000
"""Nodes that the searches may take by default: a second at worst, without compiled code."""

_SHARE = 8
"""Into how many the effort is cut: half of it is spent at the goal, the rest on heights above it."""

_HEIGHTS = 4
"""Heights at which CP-SAT is asked when it has no answer at the goal."""

_MOST_PAIRS = 1_000_000
"""Slices that live together, pair by pair, beyond which two orders are tried and repaired: no list of them."""


def place(
    bodies: "Iterable[Placeable] | np.ndarray[Any, np.dtype[np.integer]]",
    alignment: int = 1,
    *,
    capacity: int | None = None,
    seed: int = 0,
    effort: int = EFFORT,
    cpsat: float = 0,
) -> Placement:
    """Place bodies in one pool, as low as the portfolio finds; the same bodies give the same placement everywhere.

    Args:
        bodies: What has to be placed: buffers, bodies, (first step, last step, bytes), or an array with these columns.
        alignment: The base of every body that is not fixed is a multiple of this.
        capacity: Bytes: any placement that is no higher will do.
        seed: Of the noise.
        effort: Nodes that the searches may take in all; 0 for the greedy families alone, without noise.
        cpsat: What CP-SAT may take when all else has not reached the goal, in units of its deterministic time (about
            seconds); needs OR-Tools. What it finds is taken only when it is lower.

    Returns:
        The lowest placement found, or the first within the capacity; its status says how good it is.

    Raises:
        CnnirError: ``placement-body``, ``placement-fixed``, ``alignment``; ``extra-missing`` when CP-SAT is asked for
            and not installed.
    """
    if cpsat > 0:
        require_solver()
    instance = instance_of(bodies_of(bodies), alignment)
    if not instance.free:
        bases = [base or 0 for base in instance.fixed]
        height = instance.height(bases)
        return Placement(instance.offsets(bases), height, instance.bound, "nothing to place", height, capacity)
    best = _Best(instance, instance.least, instance.least if capacity is None else max(instance.least, capacity))
    _improve(best, capacity, seed, effort)
    if cpsat > 0 and not best.is_done():
        _ask_cpsat(best, capacity, seed, cpsat)
    offsets = instance.offsets(best.bases)
    return Placement(offsets, best.height, instance.bound, best.how, best.proved, capacity, best.nodes)


@dataclass
class _Best:
    """The lowest placement so far, and what is proved.

    Attributes:
        instance: What is placed.
        proved: No placement is lower.
        goal: A placement of this height will do.
        height: Of the lowest so far.
        bases: Its bases, in units.
        how: What found it.
        nodes: Nodes searched.
    """

    instance: Instance
    proved: int
    goal: int
    height: int = 1 << 128
    bases: list[int] | tuple[int, ...] = ()
    how: str = ""
    nodes: int = 0

    def take(self, how: str, bases: list[int]) -> None:
        """Keep a placement if it is the lowest."""
        height = self.instance.height(bases)
        if height < self.height:
            self.height, self.bases, self.how = height, bases, how

    def take_first(self, placements: Iterable[tuple[str, list[int]]]) -> None:
        """Take placements until one reaches the goal."""
        for how, bases in placements:
            self.take(how, bases)
            if self.is_done():
                return

    def learn(self, capacity: int, answer: Answer) -> None:
        """Take what a search at some capacity has found or proved."""
        self.nodes += answer.nodes
        if answer.bases is not None:
            self.take(answer.how, answer.bases)
        elif answer.impossible:
            self.proved = max(self.proved, capacity + 1)

    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.height <= max(self.goal, self.proved)


def _improve(best: _Best, capacity: int | None, seed: int, effort: int) -> None:
    """Greedy placements; the search at the goal; noise; the search at heights in between."""
    instance = best.instance
    if instance.pairs > _MOST_PAIRS:
        for fit, bases in zip(("first", "best"), swept(instance.slices, instance.step, instance.fixed), strict=True):
            best.take(f"by start, {fit} fit", bases)
        for fit, bases in zip(("first", "best"), by_size(instance.slices, instance.step, instance.fixed), strict=True):
            best.take(f"by size, {fit} fit", bases)
        if effort and not best.is_done():
            repair = Repair(instance, effort)
            best.take(f"{best.how}, with repaired windows", repair.run(best.bases, best.goal, seed))
            best.nodes += repair.nodes
        return
    best.take_first(greedy_placements(best.instance))
    searches = _Searches(best, seed) if effort and not best.is_done() and best.goal >= best.proved else None
    if searches is not None:
        searches.run(best.goal, effort // 2 if capacity is None else effort)
    if effort and not best.is_done():
        best.take_first(noisy_placements(best.instance, seed))
    if searches is not None and capacity is None:
        for height in _between(best):
            if best.nodes >= effort:
                break
            searches.run(height, min(effort // _SHARE, effort - best.nodes))


def _ask_cpsat(best: _Best, capacity: int | None, seed: int, work: float) -> None:
    """CP-SAT at the goal, and where that says nothing, at heights in between."""
    if best.instance.pairs > _MOST_PAIRS:
        return
    solver = Solver(best.instance)
    if best.goal >= best.proved:
        best.learn(best.goal, solver.run(best.goal, work if capacity is not None else work / 2, seed))
    if capacity is None:
        for height in islice(_between(best), _HEIGHTS):
            best.learn(height, solver.run(height, work / 2 / _HEIGHTS, seed))


class _Searches:
    """The searches over one instance; what they find and prove goes into the best so far."""

    def __init__(self, best: _Best, seed: int) -> None:
        self.best = best
        self.seed = seed
        self.canonical = Searcher(best.instance)
        self.exact = None if self.canonical.complete else Exact(best.instance)

    def run(self, capacity: int, effort: int) -> None:
        """Look for a placement that is no higher than the capacity, or prove that there is none."""
        share = effort if self.exact is None else effort // 2
        answer = self.canonical.run(capacity, share, self.seed)
        self.best.learn(capacity, answer)
        if self.exact is not None and answer.bases is None and not answer.impossible:
            self.best.learn(capacity, self.exact.run(capacity, effort - answer.nodes))


def _between(best: _Best) -> Iterator[int]:
    """Heights to search at: halfway between what is given up or refuted and what is found, then the one below that."""
    low = max(best.goal, best.proved) + (best.goal >= best.proved)
    while low < best.height:
        middle = (low + best.height - 1) // 2
        found = best.height
        yield middle
        if best.height == found:
            low = middle + 1
