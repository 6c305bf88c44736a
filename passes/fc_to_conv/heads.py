"""Finding heads: what lies between a map and the scores, and whether all of it can be applied at every position.

Every value of four axes counts as a map. From it the rules carry layouts forward; nodes that are joined by values which
are no maps themselves are one group, and a group is rewritten as a whole or not at all. It is a head when a fully
connected layer or a global pooling is in it: other groups (a channel shuffle, a transpose and its inverse) are not
what this pass is about.
"""

from dataclasses import dataclass, field

from cnnir.graph import Graph, Node, Value
from cnnir.ops import (
    AveragePool,
    Concat,
    Dropout,
    Flatten,
    Gemm,
    GlobalAveragePool,
    GlobalMaxPool,
    Identity,
    MatMul,
    Opaque,
    Reshape,
    Squeeze,
    Transpose,
    Unsqueeze,
)
from cnnir.ops.activation import Distribution
from cnnir.ops.function import Function
from cnnir.ops.reduction import Reduction
from cnnir.passes.fc_to_conv.foreign import is_product, is_reduction, is_unary
from cnnir.passes.fc_to_conv.layout import Layout, map_layout
from cnnir.passes.fc_to_conv.pooling import covers, is_fixed
from cnnir.passes.fc_to_conv.rules import Fit, Kind, rules
from cnnir.passes.fc_to_conv.unfit import Unfit

_STARTS = (Reshape, Flatten, Squeeze, Transpose, Reduction, GlobalAveragePool, GlobalMaxPool)

_KINDS: dict[type, Kind] = {
    Gemm: "fc", MatMul: "fc",
    GlobalAveragePool: "pool", GlobalMaxPool: "pool", Reduction: "pool", AveragePool: "pool",
}  # fmt: skip


@dataclass
class Head:
    """A group of nodes.

    Attributes:
        nodes: In the graph's order.
        fits: What becomes of each; nodes that do not fit are missing.
        unfit: Why the group cannot be rewritten; empty when it can.
        kinds: What the nodes are.
    """

    nodes: list[Node] = field(default_factory=list)
    fits: dict[Node, Fit] = field(default_factory=dict)
    unfit: list[Unfit] = field(default_factory=list)
    kinds: set[Kind] = field(default_factory=set)

    @property
    def pools(self) -> list[Node]:
        """The nodes that pool whole maps."""
        return [node for node, fit in self.fits.items() if fit.kind == "pool"]

    def matters(self, graph: Graph, *, to_outputs: bool) -> bool:
        """True for a head: not for groups that hold views alone, unless they give outputs and those are to be maps."""
        if self.kinds & {"fc", "pool"} or any(fit.change for fit in self.fits.values()):
            return True
        return to_outputs and not self.unfit and any(graph.is_output(v) for node in self.nodes for v in node.outputs)


@dataclass
class Findings:
    """What there is in a network.

    Attributes:
        heads: All groups of nodes behind maps, in the graph's order.
        blocked: For values that do not lie over a map any more, what keeps them from it.
    """

    heads: list[Head] = field(default_factory=list)
    blocked: dict[Value, Unfit] = field(default_factory=dict)


def find_heads(graph: Graph, *, dense: bool) -> Findings:
    """All groups of nodes behind maps, and what ends them.

    Args:
        graph: Only looked at.
        dense: Whether pooling that was fitted to the native map begins a head; else it is pooling like any other.
    """
    layouts: dict[Value, Layout] = {}
    for value in graph.values:
        if value.weight is None and (layout := map_layout(value)) is not None:
            layouts[value] = layout
    groups, blocked = _Groups(), dict[Value, Unfit]()
    for node in graph.nodes:
        inner = [value for value in node.operands if value in groups.inside]
        if not inner and not _starts(node, layouts, dense=dense):
            causes = [blocked[value] for value in node.operands if value in blocked]
            blocked.update({value: causes[0] for value in node.outputs if causes and value not in layouts})
            continue
        try:
            fit = _fit(node, layouts)
        except Unfit as unfit:
            # A view that mixes axes is no head's beginning: the network goes on behind it in its own way.
            if inner or _kind(node) is not None:
                groups.add(node, inner, unfit)
            blocked.update({value: unfit for value in node.outputs if value not in layouts})
            continue
        groups.add(node, inner, fit)
        layouts[node.outputs[0]] = fit.layout
        if fit.layout.parts and graph.is_output(node.outputs[0]):
            groups.inside[node.outputs[0]].unfit.append(
                Unfit("it gives maps of different sizes or orders side by side as an output", node)
            )
    return Findings(groups.heads, blocked)


def fitted_pools(graph: Graph) -> list[Node]:
    """Pooling whose window was fitted to the native map, with padding or a stride that only one position hides."""
    found = []
    for node in graph.nodes:
        layout = map_layout(node.operands[0]) if isinstance(node.op, AveragePool) else None
        if layout is not None and isinstance(node.op, AveragePool) and covers(node.op, node, layout):
            found += [] if is_fixed(node.op, layout) else [node]
    return found


_OF_PARTS = (Gemm, MatMul, Concat, Dropout, Identity, Reshape, Flatten, Squeeze, Unsqueeze, Function)
"""Ops whose rules know values that several maps stand for."""


def _fit(node: Node, layouts: dict[Value, Layout]) -> Fit:
    rule = rules.find(type(node.op))
    if rule is None:
        raise Unfit(f"{node.op.kind} is not known to treat every position alike", node)
    joined = [value for value in node.operands if value in layouts and layouts[value].parts]
    if joined and not (isinstance(node.op, _OF_PARTS) or is_unary(node)):
        source = joined[0].producer.label if joined[0].producer is not None else joined[0].name
        raise Unfit(
            f"{source} joins maps of different sizes or orders, which only a fully connected layer adds up", node
        )
    return rule(node.op, node, layouts)


def _kind(node: Node) -> Kind | None:
    if is_reduction(node):
        return "pool"
    if is_product(node):
        return "fc"
    return next((kind for op_class, kind in _KINDS.items() if isinstance(node.op, op_class)), None)


def _starts(node: Node, layouts: dict[Value, Layout], *, dense: bool) -> bool:
    """True for a node that turns a map into something else."""
    value = node.operands[0] if node.operands else None
    if value is None or value not in layouts:
        return False
    layout = layouts[value]
    if isinstance(node.op, AveragePool):
        return dense and covers(node.op, node, layout) and not is_fixed(node.op, layout)
    if isinstance(node.op, Distribution):
        return node.op.axes != (1,)
    if isinstance(node.op, Opaque):
        return is_reduction(node)
    return isinstance(node.op, _STARTS)


class _Groups:
    """Nodes joined by values that are no maps."""

    def __init__(self) -> None:
        self.inside: dict[Value, Head] = {}
        self.heads: list[Head] = []

    def add(self, node: Node, inner: list[Value], outcome: Fit | Unfit) -> None:
        """Put a node to those that its operands come from; what does not fit ends the group."""
        joined = list({id(head): head for head in (self.inside[value] for value in inner)}.values())
        head = joined[0] if joined else Head()
        if not joined:
            self.heads.append(head)
        for other in joined[1:]:
            self._merge(head, other)
        head.nodes.append(node)
        kind = _kind(node)
        if isinstance(outcome, Unfit):
            head.unfit.append(outcome)
        else:
            head.fits[node] = outcome
            kind = outcome.kind if outcome.kind in ("fc", "pool") else None
            self.inside.update(dict.fromkeys(node.outputs, head))
        if kind is not None:
            head.kinds.add(kind)

    def _merge(self, head: Head, other: Head) -> None:
        head.nodes += other.nodes
        head.fits.update(other.fits)
        head.unfit += other.unfit
        head.kinds |= other.kinds
        self.heads.remove(other)
        self.inside.update({value: head for value, held in self.inside.items() if held is other})
