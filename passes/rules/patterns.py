"""Patterns over the graph: what a rewrite looks for, written as it reads.

    scaled = node(Mul, node(Conv, value("x"), constant("weight"), name="conv"), constant("factor"), name="mul")
    for found in find(graph, scaled):
        print(found.node("conv").label, found.value("factor").type)

A pattern stands for a value. It is matched backwards: from a node to what it reads. Exporters say one thing in many
ways; `either` takes alternatives, `through` looks behind nodes that do not matter, and the operands of a commutative
op may stand in any order. The same name twice means the same value, or the same node, twice; an optional operand that
is absent at one of the places is absent at the other.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Add, Mul, Op, Sum

NamedT = TypeVar("NamedT", Node, Value)

_COMMUTATIVE = (Add, Mul, Sum)


@dataclass(frozen=True)
class Match:
    """One place where a pattern fits.

    Attributes:
        root: The node that the pattern's last op stands for.
        nodes: The named nodes.
        values: The named values.
        covered: All nodes that the pattern's ops stand for, those looked through as well.
        absent: Names of the optional operands that are not there.
    """

    root: Node
    nodes: Mapping[str, Node] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    covered: tuple[Node, ...] = ()
    absent: frozenset[str] = frozenset()

    def node(self, name: str) -> Node:
        """The node of that name.

        Raises:
            CnnirError: ``pattern-name`` when the pattern names no such node.
        """
        return _named(self.nodes, name)

    def value(self, name: str) -> Value:
        """The value of that name.

        Raises:
            CnnirError: ``pattern-name`` when the pattern names no such value, or an optional one is absent.
        """
        return _named(self.values, name)

    def has(self, name: str) -> bool:
        """True when the name stands for something: an optional operand may be absent."""
        return name in self.nodes or name in self.values

    def read_elsewhere(self, graph: Graph) -> tuple[Node, ...]:
        """The nodes before the root whose outputs others read too, or the caller."""
        inside = set(self.covered)
        return tuple(
            node
            for node in self.covered
            if node is not self.root
            and any(graph.is_output(value) or any(user not in inside for user in value.users) for value in node.outputs)
        )


class Pattern(ABC):
    """What a value may be."""

    @abstractmethod
    def fits(self, value: Value | None, so_far: Match) -> Iterator[Match]:
        """Every way in which the value fits, added to what has been matched so far."""


def node(
    kinds: type[Op] | tuple[type[Op], ...],
    *operands: Pattern,
    name: str | None = None,
    where: Callable[[Node], bool] | None = None,
) -> Pattern:
    """An output of a node.

    Args:
        kinds: Class or classes of its op.
        *operands: What it reads, in order; those behind the last pattern may be anything.
        name: Under which the match has it; given twice, both stand for one node, through whichever of its outputs.
        where: A further condition.
    """
    return _NodePattern(kinds, operands, name, where)


def value(name: str | None = None, where: Callable[[Value], bool] | None = None) -> Pattern:
    """Any value that is there."""
    return _ValuePattern(name, where, optional=False)


def constant(
    name: str | None = None, where: Callable[[Value], bool] | None = None, *, optional: bool = False
) -> Pattern:
    """A weight; with `optional`, or nothing at all."""

    def is_constant(found: Value) -> bool:
        return found.weight is not None and (where is None or where(found))

    return _ValuePattern(name, is_constant, optional=optional)


def either(*patterns: Pattern) -> Pattern:
    """Whatever fits one of the patterns, the first ones tried first."""
    return _Either(patterns)


def through(kinds: type[Op] | tuple[type[Op], ...], pattern: Pattern) -> Pattern:
    """What the pattern stands for, or any chain of these ops behind it: Identity or Dropout, say."""
    return _Through(kinds, pattern)


def match(pattern: Pattern, root: Node) -> Match | None:
    """The first way in which the node fits, None when it does not; the root's first output is what is matched."""
    if not root.outputs:
        return None
    return next(pattern.fits(root.outputs[0], Match(root)), None)


def find(graph: Graph, pattern: Pattern) -> Iterator[Match]:
    """Matches in the order of their roots; nodes that have been removed meanwhile are left out."""
    for root in graph.nodes:
        if root in graph and (found := match(pattern, root)) is not None:
            yield found


@dataclass(frozen=True)
class _NodePattern(Pattern):
    kinds: type[Op] | tuple[type[Op], ...]
    operands: tuple[Pattern, ...]
    name: str | None
    where: Callable[[Node], bool] | None

    def fits(self, value: Value | None, so_far: Match) -> Iterator[Match]:
        found = value.producer if value is not None else None
        if found is None or not isinstance(found.op, self.kinds) or (self.where is not None and not self.where(found)):
            return
        if self.name is not None and so_far.nodes.get(self.name, found) is not found:
            return
        for inputs in self._orders(found):
            yield from self._operands(inputs, 0, _with_node(so_far, self.name, found))

    def _orders(self, found: Node) -> Iterator[tuple[Value | None, ...]]:
        yield found.inputs
        if isinstance(found.op, _COMMUTATIVE) and len(found.inputs) == 2:
            yield found.inputs[::-1]

    def _operands(self, inputs: tuple[Value | None, ...], index: int, so_far: Match) -> Iterator[Match]:
        if index == len(self.operands):
            yield so_far
            return
        operand = inputs[index] if index < len(inputs) else None
        for extended in self.operands[index].fits(operand, so_far):
            yield from self._operands(inputs, index + 1, extended)


@dataclass(frozen=True)
class _ValuePattern(Pattern):
    name: str | None
    where: Callable[[Value], bool] | None
    optional: bool

    def fits(self, value: Value | None, so_far: Match) -> Iterator[Match]:
        if value is None:
            if self.optional and self.name not in so_far.values:
                yield so_far if self.name is None else replace(so_far, absent=so_far.absent | {self.name})
            return
        if self.where is not None and not self.where(value):
            return
        if self.name is None:
            yield so_far
        elif so_far.values.get(self.name, value) is value and self.name not in so_far.absent:
            yield replace(so_far, values={**so_far.values, self.name: value})


@dataclass(frozen=True)
class _Either(Pattern):
    patterns: tuple[Pattern, ...]

    def fits(self, value: Value | None, so_far: Match) -> Iterator[Match]:
        for pattern in self.patterns:
            yield from pattern.fits(value, so_far)


@dataclass(frozen=True)
class _Through(Pattern):
    kinds: type[Op] | tuple[type[Op], ...]
    pattern: Pattern

    def fits(self, value: Value | None, so_far: Match) -> Iterator[Match]:
        yield from self.pattern.fits(value, so_far)
        found = value.producer if value is not None else None
        if found is not None and isinstance(found.op, self.kinds) and found.inputs:
            yield from self.fits(found.inputs[0], _with_node(so_far, None, found))


def _with_node(so_far: Match, name: str | None, found: Node) -> Match:
    nodes = {**so_far.nodes, name: found} if name is not None else so_far.nodes
    return replace(so_far, nodes=nodes, covered=(*so_far.covered, found))


def _named(table: Mapping[str, NamedT], name: str) -> NamedT:
    if name not in table:
        hint = f"names: {', '.join(table)}" if table else "nothing is named"
        raise CnnirError("pattern-name", "the match has nothing of this name", got=name, hint=hint)
    return table[name]
