"""Symbolic execution of a plan over byte ranges: what does every byte hold at every step?

A byte is labelled when something is computed into it. What moves no byte leaves the labels as they are: a view is
good as long as the bytes that it shows hold what they held when it was taken.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NoReturn, TypeAlias

from cnnir.errors import CnnirError
from cnnir.plan.arrays import Extent, Run, extents_of, runs_in_memory, touch, without
from cnnir.plan.model import JOIN, VIEW, MemoryPlan, Scratch, Step
from cnnir.plan.refusal import where

Label: TypeAlias = tuple[str, int]
"""Of a byte: the value that was computed into it, and the address at which that value's byte 0 would lie."""

Held: TypeAlias = tuple[str, int, int, Label | None]
"""A stretch of bytes of one label: pool, begin, end, label; None where nothing was computed."""


class ByteMap:
    """The labels of one pool's bytes, as sorted stretches without gaps."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.starts = [0]
        self.labels: list[Label | None] = [None]
        self.size = size

    def write(self, begin: int, end: int, label: Label | None) -> None:
        """Label the bytes."""
        if begin >= end:
            return
        first, last = self._cut(begin), self._cut(end)
        self.starts[first:last] = [begin]
        self.labels[first:last] = [label]

    def look(self, begin: int, end: int) -> list[Held]:
        """What the bytes hold, neighbours of one label as one stretch."""
        index = bisect_right(self.starts, begin) - 1
        last = bisect_left(self.starts, end, index)
        ends = [*self.starts[index + 1 : last], end]
        found: list[Held] = []
        for stop, label in zip(ends, self.labels[index:last], strict=True):
            start = found[-1][2] if found else begin
            if found and found[-1][3] == label:
                found[-1] = (self.name, found[-1][1], stop, label)
            else:
                found.append((self.name, start, stop, label))
        return found

    def _cut(self, at: int) -> int:
        """Index of the stretch that starts at this byte, which is cut there if need be."""
        index = bisect_right(self.starts, at) - 1
        if self.starts[index] == at:
            return index
        self.starts.insert(index + 1, at)
        self.labels.insert(index + 1, self.labels[index])
        return index + 1


def check_contents(plan: MemoryPlan) -> None:
    """Execute the plan symbolically.

    Raises:
        CnnirError: ``plan-contents`` when a step reads, or the end of the plan finds, a byte that is not its value's.
    """
    _Walk(plan).run()


class _Walk:
    def __init__(self, plan: MemoryPlan) -> None:
        self.plan = plan
        self.bytes = {pool.name: ByteMap(pool.name, max(pool.bytes, 1)) for pool in plan.pools}
        lying = {name: runs_in_memory(value) for name, value in plan.values.items()}
        self.axes = {name: axes for name, (axes, _) in lying.items()}
        self.runs: dict[str, list[Run]] = {name: runs for name, (_, runs) in lying.items()}
        self.extents: dict[str, list[Extent]] = {name: extents_of(runs) for name, runs in self.runs.items()}
        # What the bytes of each value have held since it was made.
        self.held: dict[str, list[Held]] = {}

    def run(self) -> None:
        for name in self.plan.inputs:
            self._make([name], "the start")
        for number, step in enumerate(self.plan.steps):
            self._step(step, where(number, step))
        for name in self.plan.outputs:
            self._read(name, "the end")

    def _step(self, step: Step, at: str) -> None:
        for name in step.reads:
            self._read(name, at)
        if step.scratch is not None:
            self._use_scratch(step, step.scratch, at)
        if step.algorithm == VIEW:
            self._view(step, at)
        elif step.algorithm == JOIN:
            self._join(step, at)
        else:
            self._check_in_place(step, at)
            self._make(step.writes, at)

    def _use_scratch(self, step: Step, scratch: Scratch, at: str) -> None:
        """Workspace may be written at any moment of the step: it is apart from all that the step reads and writes."""
        taken = [(scratch.pool, scratch.offset, scratch.end)] if scratch.bytes else []
        for name in (*step.reads, *step.writes):
            if touch(self.extents[name], taken):
                self._fail(at, f"the scratch lies over {name}")
        self.bytes[scratch.pool].write(scratch.offset, scratch.end, None)

    def _check_in_place(self, step: Step, at: str) -> None:
        """An output may touch the bytes of what is read only by donation, and then element lies over element."""
        for source, target in step.donations:
            if (self.axes[source], self.runs[source]) != (self.axes[target], self.runs[target]):
                self._fail(at, f"{source} is donated to {target}, which lies elsewhere")
        for target in step.writes:
            for source in step.reads:
                if (source, target) not in step.donations and touch(self.extents[source], self.extents[target]):
                    self._fail(at, f"{target} is written over {source} while it is read")

    def _make(self, names: Sequence[str], at: str) -> None:
        """Compute values into their places."""
        for name in names:
            if name in self.held:
                self._fail(at, f"{name} is written twice")
            self._label(name, self.runs[name])
            self.held[name] = self._expected(name)
        for name in names:
            self._read(name, f"{at}, after all its outputs were written")

    def _view(self, step: Step, at: str) -> None:
        """What is written shows bytes of what is read, as they are."""
        read = extents_of((*extent, 0) for name in step.reads for extent in self.extents[name])
        for name in step.writes:
            if name in self.held:
                self._fail(at, f"{name} is written twice")
            if any(not _inside(extent, read) for extent in self.extents[name]):
                self._fail(at, f"{name} is a view of {', '.join(step.reads)} but lies elsewhere")
            self.held[name] = self._look(name)

    def _join(self, step: Step, at: str) -> None:
        """Bytes of the written value that are also what is read stay as they are; the others are copied into.

        Which operands these belong to, the graph says.
        """
        read = extents_of((*extent, 0) for name in step.reads for extent in self.extents[name])
        for name in step.writes:
            if name in self.held:
                self._fail(at, f"{name} is written twice")
            self._label(name, without(self.runs[name], read))
            self.held[name] = self._look(name)

    def _label(self, name: str, runs: Iterable[Run]) -> None:
        for pool, begin, end, position in runs:
            self.bytes[pool].write(begin, end, (name, begin - position))

    def _expected(self, name: str) -> list[Held]:
        """What the value's bytes hold once it is computed."""
        found: list[Held] = []
        for pool, begin, end, position in sorted(self.runs[name]):
            label = (name, begin - position)
            if found and found[-1][0] == pool and found[-1][2:] == (begin, label):
                found[-1] = (pool, found[-1][1], end, label)
            else:
                found.append((pool, begin, end, label))
        return found

    def _look(self, name: str) -> list[Held]:
        """What the value's bytes hold now."""
        return [held for pool, begin, end in self.extents[name] for held in self.bytes[pool].look(begin, end)]

    def _read(self, name: str, at: str) -> None:
        expected = self.held.get(name)
        if expected is None:
            self._fail(at, f"{name} is read before it is written")
        found = self._look(name)
        if found != expected:
            _, begin, end, _ = next((held for held in found if held not in expected), found[0])
            self._fail(at, f"{name} is read at {begin} to {end}, which holds something else by then")

    def _fail(self, at: str, message: str) -> NoReturn:
        raise CnnirError("plan-contents", message, node=at)


def _inside(extent: Extent, others: Sequence[Extent]) -> bool:
    """Does the stretch lie inside of one of the sorted ones, between which there are gaps?"""
    pool, begin, end = extent
    index = bisect_right(others, (pool, begin), key=lambda other: other[:2]) - 1
    return index >= 0 and others[index][0] == pool and end <= others[index][2]
