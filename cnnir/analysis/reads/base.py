"""The table of what ops read, and the words in which a rule says it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from cnnir.analysis.reach import IDENTITY, Reach, window
from cnnir.dims import Dim, Shape
from cnnir.graph import Node, Value
from cnnir.ops.rules import RuleTable
from cnnir.types import TensorType


@dataclass(frozen=True, slots=True)
class Along:
    """Positions along an axis of the output read positions along the operand's axis."""

    axis: int
    reach: Reach = IDENTITY


@dataclass(frozen=True, slots=True)
class Whole:
    """Every element of the output reads the operand's whole axis."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The operand's axis is one of several that an axis of the output runs through, element by element."""

    axis: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """No element of the operand is read; its shape at most."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is read cannot be told."""

    reason: str


Read: TypeAlias = Along | Whole | Merged | Nothing | Unknown


@dataclass(frozen=True, slots=True)
class Place:
    """Which axis of which operand is asked for, as seen from which output.

    Attributes:
        node: Whose operand.
        operand: Index of the operand.
        axis: Of the operand, counted from the front.
        output: Index of the output.
    """

    node: Node
    operand: int
    axis: int
    output: int

    @property
    def shape(self) -> Shape:
        """Of the operand."""
        return shape_of(self.node.inputs[self.operand])

    @property
    def result(self) -> Shape:
        """Shape of the output."""
        return shape_of(self.node.outputs[self.output])

    @property
    def size(self) -> Dim:
        """Of the operand along the axis."""
        return self.shape[self.axis]


Rule: TypeAlias = Callable[[Any, Place], Read]
"""``rule(op, place)``; all types are tensors of known rank."""

reads: RuleTable[Rule] = RuleTable("rule of what is read")


def shape_of(value: Value | None) -> Shape:
    """The shape of a tensor of known rank; empty for anything else."""
    return value.type.shape if value is not None and isinstance(value.type, TensorType) else ()


def read_from(place: Place, first: int, step: int = 1) -> Read:
    """Position o reads the one cell ``first + step * o``."""
    return Along(place.axis, window(first, 1, step))


def aligned(place: Place, axis: int) -> Read:
    """The operand's axis comes to lie at `axis` of the output; a single cell may stand for all of them."""
    repeated = place.size == 1 and place.result[axis] != 1
    return Along(axis, Reach(((0, 0),), 0) if repeated else IDENTITY)
