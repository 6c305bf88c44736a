"""Cut: the sub-network between some values and others, as a network of its own.

The values to cut `from` become typed inputs, those to cut `to` become outputs; what lies before, behind and beside
goes. What the outputs rest on besides (a skip connection around the cut) stays, down to the graph's own inputs, and is
said. Weights are shared with the whole network, provenance is kept.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.passes.base import Journal, Pass, PassResult, Preserves
from cnnir.rewriter import Rewriter
from cnnir.types import UnknownType
from cnnir.verify import verify


@dataclass(frozen=True)
class Cut(Pass):
    """Keep what lies between values: ``cut{from=a|b,to=c}``.

    Attributes:
        from_: Names of the values that become inputs, with ``|`` between them; the graph's own inputs when empty.
        to: Names of the values that become outputs; those outputs of the graph that rest on `from_` when empty.
    """

    name: ClassVar[str] = "cut"
    preserves: ClassVar[Preserves] = "nothing"

    from_: str = ""
    to: str = ""

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        _cut(graph, journal, _names(self.from_), _names(self.to))


def cut(graph: Graph, from_: Iterable[str] = (), to: Iterable[str] = ()) -> Graph:
    """The sub-network between values.

    Args:
        graph: Left as it is.
        from_: Names of the values that become inputs, in this order; the graph's own inputs when empty.
        to: Names of the values that become outputs; those outputs of the graph that rest on `from_` when empty.

    Returns:
        A new graph that shares its weights with the old one. Inputs of the old one that it needs besides stand behind
        those named, and its notes say why.

    Raises:
        CnnirError: ``cut-nothing``, ``value-unknown``; ``cut-weight``, ``cut-type``, ``cut-empty``, ``cut-unused`` or
            ``cut-apart`` naming the value that cannot be cut at.
    """
    return cut_result(graph, from_, to).graph


def cut_result(graph: Graph, from_: Iterable[str] = (), to: Iterable[str] = ()) -> PassResult:
    """The same as `cut`, with what was done besides."""
    clone, journal = graph.clone(), Journal()
    _cut(clone, journal, list(from_), list(to))
    verify(clone)
    return PassResult(clone, tuple(journal.changes), tuple(journal.refusals), journal.metrics)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split("|") if name.strip()]


def _cut(graph: Graph, journal: Journal, from_: Sequence[str], to: Sequence[str]) -> None:
    if not from_ and not to:
        raise CnnirError("cut-nothing", "neither a beginning nor an end to cut at", hint="name values with from and to")
    sources = between(graph, from_, to)
    starts, ends, kept = sources.starts, sources.ends, sources.kept
    for value in graph.outputs:
        if not to and value not in ends:
            journal.change(f"output {value.name} is left out, it does not rest on {_list(starts)}")
    for value in kept if from_ else ():
        reader = next(node for node in value.users if node in sources.nodes)
        graph.notes.append(f"{value.name} stays an input of the part cut out: {reader.label} rests on it too")
        journal.change(f"{value.name} stays an input", [reader])
    rewriter, whole = Rewriter(graph), len(graph)
    made = [_as_input(rewriter, value) for value in starts]
    rewriter.set_outputs(ends)
    rewriter.remove_unused()
    for value, start in zip(made, starts, strict=True):
        _take_name(rewriter, value, start)
    inputs = [*made, *(value for value in graph.inputs if value in kept)]
    for value in graph.inputs:
        if value not in inputs:
            journal.change(f"input {value.name} removed, nobody reads it")
    rewriter.set_inputs(inputs)
    journal.change(f"cut out from {_list(inputs)} to {_list(ends)}: {len(graph)} of {whole} nodes")
    journal.count("nodes removed", whole - len(graph))


@dataclass(frozen=True)
class Part:
    """A sub-network, still inside its graph.

    Attributes:
        starts: The values that it is cut from.
        ends: The values that it is cut to.
        kept: Inputs of the graph that it needs besides, in the graph's order.
        nodes: Its nodes.
    """

    starts: tuple[Value, ...]
    ends: tuple[Value, ...]
    kept: tuple[Value, ...]
    nodes: frozenset[Node]


def between(graph: Graph, from_: Sequence[str], to: Sequence[str]) -> Part:
    """What lies between the values of these names.

    Raises:
        CnnirError: as `cut` does.
    """
    starts = tuple(dict.fromkeys(_start(graph, name) for name in from_))
    reached = _reached(graph, starts)
    if to:
        ends = tuple(dict.fromkeys(_end(graph.value(name), starts) for name in to))
    else:
        ends = tuple(dict.fromkeys(value for value in graph.outputs if value in reached))
    if not ends:
        raise CnnirError("cut-apart", "no output of the graph rests on it", node=_list(starts))
    for value in ends:
        if starts and value not in reached:
            raise CnnirError(
                "cut-apart", f"it does not rest on {_list(starts)}", node=_label(value), hint=_nearest(value)
            )
    nodes, needed = _needed(graph, starts, ends)
    for value in starts:
        if value not in needed:
            message, hint = _why_unused(graph, value, starts, ends)
            raise CnnirError("cut-unused", message, node=_label(value), hint=hint)
    kept = tuple(value for value in graph.inputs if value in needed and value not in starts)
    return Part(starts, ends, kept, frozenset(nodes))


def _start(graph: Graph, name: str) -> Value:
    value = graph.value(name)
    if value.weight is not None:
        raise CnnirError(
            "cut-weight", "a weight is not made by the network, so it cannot be cut from", node=name,
            hint="name the value that its reader makes or reads",
        )  # fmt: skip
    if isinstance(value.type, UnknownType):
        raise CnnirError("cut-type", "an input needs a type, and nobody knows this value's", node=_label(value))
    return value


def _end(value: Value, starts: Sequence[Value]) -> Value:
    if value.producer is None:
        what = "a weight" if value.weight is not None else "an input of the graph"
        raise CnnirError("cut-empty", f"it is {what}, no node makes it", node=value.name)
    if value in starts:
        raise CnnirError("cut-empty", "nothing lies between a value and itself", node=_label(value))
    return value


def _reached(graph: Graph, starts: Iterable[Value]) -> set[Value]:
    """All that rests on the values, themselves not included."""
    wave, reached = set(starts), set[Value]()
    for node in graph.nodes:
        if any(value in wave for value in node.operands):
            reached.update(node.outputs)
            wave.update(node.outputs)
    return reached


def _needed(graph: Graph, starts: Sequence[Value], ends: Sequence[Value]) -> tuple[list[Node], set[Value]]:
    """The nodes that the ends rest on, and the values that those read, not looking behind the starts."""
    wanted, needed, nodes = set(ends), set[Value](), list[Node]()
    for node in reversed(graph.nodes):
        if any(value in wanted for value in node.outputs):
            nodes.append(node)
            needed.update(node.operands)
            wanted.update(value for value in node.operands if value not in starts)
    return nodes, needed


def _why_unused(graph: Graph, value: Value, starts: Sequence[Value], ends: Sequence[Value]) -> tuple[str, str]:
    """What is wrong with a start that nothing needs, and what to do."""
    reached = _reached(graph, [value])
    if not any(end in reached for end in ends):
        return f"{_list(ends)} {'does' if len(ends) == 1 else 'do'} not rest on it", "leave it out, or cut to more"
    hiding = [start for start in starts if start in reached]
    return f"every way from it to {_list(ends)} leads through {_list(hiding)}", "leave out the one or the other"


def _nearest(value: Value) -> str | None:
    """What one could have cut from instead."""
    operands = [operand.name for node in [value.producer] if node for operand in node.operands if not operand.weight]
    return f"it is made from {', '.join(operands)}" if operands else None


def _as_input(rewriter: Rewriter, value: Value) -> Value:
    """An input that all readers of the value read instead; the value itself where it is an input."""
    if value.producer is None:
        return value
    graph = rewriter.graph
    made = graph.add_input(graph.fresh_name(value.name), value.type)
    rewriter.replace_uses(value, made)
    return made


def _take_name(rewriter: Rewriter, made: Value, old: Value) -> None:
    """The input bears the name of the value that it stands for, even where that is still made (beside another)."""
    if made is old:
        return
    name = old.name
    if old in rewriter.graph:
        rewriter.rename(old, rewriter.graph.fresh_name(f"{name}_before_cut"))
    rewriter.rename(made, name)


def _label(value: Value) -> str:
    return value.name if value.producer is None else f"{value.name} of {value.producer.label}"


def _list(values: Iterable[Value]) -> str:
    return ", ".join(value.name for value in values)
