"""What lint is made of: findings, rules with a reason, and the subject that rules look at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from cnnir.analysis import GraphCosts, NodeCosts, ReceptiveField, costs, receptive_fields
from cnnir.dims import Dim, Shape, is_known, symbols
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.passes.memory import plan
from cnnir.plan import MemoryPlan
from cnnir.types import TensorType


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a practitioner would look at again.

    Attributes:
        code: Of the rule.
        node: Name of the node; None when it is about the network.
        message: What was found, with the numbers.
        fix: What would change it, with the numbers.
    """

    code: str
    node: str | None
    message: str
    fix: str

    def __str__(self) -> str:
        where = f"{self.node}: " if self.node is not None else ""
        return f"{where}{self.code} {self.message}"


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule says of one place: the finding without its code."""

    node: Node | None
    message: str
    fix: str


class Subject:
    """A graph, and what several rules ask of it, worked out once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def costs(self) -> GraphCosts:
        """MACs and parameters."""
        return costs(self.graph)

    @cached_property
    def _costs_of(self) -> dict[Node, NodeCosts]:
        return {entry.node: entry for entry in self.costs.nodes}

    @cached_property
    def _fields(self) -> dict[Value, tuple[ReceptiveField, ...]]:
        return dict(receptive_fields(self.graph))

    @cached_property
    def _narrow(self) -> dict[Value, tuple[ReceptiveField, ...]]:
        return dict(receptive_fields(self.graph, narrowest=True))

    @cached_property
    def plan(self) -> MemoryPlan:
        """The memory plan with the planner's own options.

        Raises:
            CnnirError: ``dims-unbound`` or ``size-unknown``.
        """
        return plan(self.graph)

    def macs(self, node: Node) -> int | None:
        """MACs of a node, where they are a number."""
        found = self._costs_of[node].macs
        return found if found is not None and is_known(found) else None

    def params(self, node: Node) -> int | None:
        """Parameters of a node, where they are a number."""
        found = self._costs_of[node].params
        return found if found is not None and is_known(found) else None

    @property
    def all_params(self) -> int:
        """Parameters of the network.

        Raises:
            CnnirError: ``size-unknown``.
        """
        return self._number(self.costs.params, "parameters")

    def share_of_macs(self, node: Node) -> float:
        """The node's part of the network's MACs.

        Raises:
            CnnirError: ``dims-unbound`` or ``size-unknown``.
        """
        whole = self._number(self.costs.macs, "MACs")
        return (self.macs(node) or 0) / whole if whole else 0.0

    def _number(self, count: Dim | None, what: str) -> int:
        if count is not None and is_known(count):
            return count
        if count is None:
            raise CnnirError("size-unknown", f"the {what} are not known", got=next(iter(self.costs.reasons), "unknown"))
        names = ", ".join(sorted(symbols(count)))
        raise CnnirError("dims-unbound", f"the {what} depend on {names}", hint=f"bind {names}")

    def fields(self, value: Value, *, narrowest: bool = False) -> tuple[ReceptiveField, ...]:
        """Receptive fields of a value, over all paths or along the narrowest."""
        return (self._narrow if narrowest else self._fields).get(value, ())

    def extents(self, value: Value) -> list[tuple[ReceptiveField, int, int]] | None:
        """(field, its size, cells of the input along that axis) for each axis; None where something is open."""
        return _extents(self.graph, self.fields(value))

    def narrow_extents(self, value: Value) -> list[tuple[ReceptiveField, int, int]] | None:
        """The same along the narrowest path."""
        return _extents(self.graph, self.fields(value, narrowest=True))


def _extents(graph: Graph, fields: tuple[ReceptiveField, ...]) -> list[tuple[ReceptiveField, int, int]] | None:
    found = []
    for field in fields:
        extent = shape(graph.value(field.input))[field.axis]
        if field.size is None or field.reason or not is_known(field.size) or not is_known(extent):
            return None
        found.append((field, field.size, extent))
    return found or None


Check: TypeAlias = Callable[[Subject], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for.

    Attributes:
        code: Stable; a letter for the theme and three digits.
        title: In a few words.
        why: The reason, for people who know networks.
        fix: What to do about it in general.
        check: Finds the places. It says nothing where it cannot decide, and raises a CnnirError where it needs sizes
            that are open.
    """

    code: str
    title: str
    why: str
    fix: str
    check: Check


RULES: dict[str, Rule] = {}
"""Every rule by its code."""


def rule(code: str, title: str, *, why: str, fix: str) -> Callable[[Check], Check]:
    """Decorator: the check of a rule.

    Raises:
        CnnirError: ``rule-twice``.
    """

    def register(check: Check) -> Check:
        if code in RULES:
            raise CnnirError("rule-twice", "a second rule of this code", node=code)
        RULES[code] = Rule(code, title, why, fix, check)
        return check

    return register


def shape(value: Value | None) -> Shape:
    """The shape of a tensor; empty for anything else."""
    return value.type.shape if value is not None and isinstance(value.type, TensorType) else ()


def by(sizes: tuple[int, ...] | list[int]) -> str:
    """``3x3``."""
    return "x".join(map(str, sizes))
