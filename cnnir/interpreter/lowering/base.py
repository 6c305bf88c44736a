"""What a lowering gets and gives: one node of a step as calls of NumPy on views that are made once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any, TypeAlias

import numpy as np

from cnnir.algorithms.channels_last.sizes import LINE
from cnnir.errors import CnnirError
from cnnir.ops.rules import RuleTable
from cnnir.weights import AnyArray

Call: TypeAlias = Callable[[], object]
"""One call of NumPy with all of its arguments; it allocates nothing."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of some images of a map.

    Attributes:
        image, images: The first image, and the one behind the last.
        begin, end: The first row, and the one behind the last.
    """

    image: int
    images: int
    begin: int
    end: int

    def of(self, array: AnyArray) -> AnyArray:
        """These rows of an array ``[N, C, H, ...]``; all of what does not differ from image to image, or row to row."""
        images = slice(self.image, self.images) if array.shape[0] > 1 else slice(None)
        if array.ndim < 3:
            return array[images]
        rows = slice(self.begin, self.end) if array.shape[2] > 1 else slice(None)
        return array[images, :, rows]


class Workspace:
    """The scratch of a step, handed out array by array.

    Attributes:
        taken: Bytes that have been handed out.
    """

    def __init__(self, scratch: AnyArray) -> None:
        self._scratch = scratch
        self.taken = 0

    def take(self, shape: tuple[int, ...], dtype: Any) -> AnyArray:
        """An array with nothing in it.

        Raises:
            CnnirError: ``scratch-short`` when the step has less than it needs.
        """
        dtype = np.dtype(dtype)
        size = prod(shape) * dtype.itemsize
        begin, self.taken = self.taken, self.taken + -(-size // LINE) * LINE
        if begin + size > self._scratch.size:
            raise CnnirError("scratch-short", "the step has less scratch than its algorithm needs",
                             expected=begin + size, got=self._scratch.size)  # fmt: skip
        return np.ndarray(shape, dtype, self._scratch[begin : begin + size].data if size else None)

    def rest(self) -> "Workspace":
        """What has not been handed out, to be handed out again and again."""
        return Workspace(self._scratch[min(self.taken, self._scratch.size) :])


@dataclass
class Site:
    """Where a node is computed.

    Attributes:
        operands: Weights among them; None where an optional one is absent.
        results: Where they are to be.
        workspace: Of the step.
        target: Where rows of the first result are written, or all of it; rows are finished, and moved on, before the
            next are.
        parameters: What the algorithm leaves open.
        forms: Weights in the forms that algorithms need, each made once for all sites of a program.
        node: Name of the node that the forms belong to.
    """

    operands: tuple[AnyArray | None, ...]
    results: tuple[AnyArray, ...]
    workspace: Workspace
    target: Callable[[Rows | None], AnyArray]
    parameters: Mapping[str, int] = field(default_factory=dict)
    forms: dict[tuple[str, str], AnyArray] = field(default_factory=dict)
    node: str = ""

    def setting(self, name: str) -> int:
        """A parameter of the algorithm.

        Raises:
            CnnirError: ``plan-algorithm`` when it is missing.
        """
        if name not in self.parameters:
            got = ", ".join(self.parameters)
            raise CnnirError("plan-algorithm", "the algorithm lacks a parameter", expected=name, got=got)
        return self.parameters[name]

    def form(self, name: str, make: Callable[[], AnyArray]) -> AnyArray:
        """A weight in another form."""
        key = (self.node, name)
        if key not in self.forms:
            self.forms[key] = make()
        return self.forms[key]

    def shared(self, name: str, make: Callable[[], AnyArray]) -> AnyArray:
        """A constant that is the same for all nodes."""
        key = ("", f"{name} {self.results[0].dtype}")
        if key not in self.forms:
            self.forms[key] = make()
        return self.forms[key]


Step: TypeAlias = Iterator[Call | Rows]
"""Calls in their order; and rows, once all calls are there that finish them."""

Lowering: TypeAlias = Callable[[Any, Site], Step]
"""``lowering(op, site)``."""

lowerings: dict[str, RuleTable[Lowering]] = {}
"""For each algorithm, as a plan names it, the rules of the ops that it computes."""


def lowering(algorithm: str) -> RuleTable[Lowering]:
    """The table of an algorithm."""
    return lowerings.setdefault(algorithm, RuleTable(f"lowering by {algorithm}"))


def copy(target: AnyArray, source: AnyArray) -> Call:
    """``target[...] = source``."""
    return partial(np.copyto, target, source)


__all__ = ["Call", "Lowering", "Rows", "Site", "Step", "Workspace", "copy", "lowering", "lowerings"]
