"""Replacing a sub-network by another one of the same interface.

What is replaced is what `cnnir.passes.parts.cut` would cut out: so a part can be cut out, worked on, and put back.
"""

from collections.abc import Iterable, Sequence

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Identity, Opaque
from cnnir.passes.parts.cut import between
from cnnir.rewriter import Rewriter
from cnnir.types import UnknownType
from cnnir.verify import verify


def replace_subgraph(graph: Graph, from_: Iterable[str], to: Iterable[str], replacement: Graph) -> Graph:
    """The graph with what lies between values replaced.

    Args:
        graph: Left as it is.
        from_: Names of the values that the part begins with; the graph's own inputs when empty.
        to: Names of the values that the part makes; those outputs of the graph that rest on `from_` when empty.
        replacement: Its inputs stand for `from_` and behind them the graph's inputs that the part rests on besides,
            its outputs for `to`: by name where the names are the same, else by position.

    Returns:
        A new graph. The values in `to` keep their names, everything else of the replacement gets a name that is free;
        weights are shared with both. What nobody reads any more is gone, the graph's interface is what it was.

    Raises:
        CnnirError: ``replace-interface`` when the numbers or types of inputs or outputs differ, ``replace-cycle`` when
            a value to begin with rests on one that the part makes, ``replace-opset`` when both hold foreign ops of
            different versions; and as `cnnir.passes.parts.cut`.
    """
    result, twin = graph.clone(), replacement.clone()
    part = between(result, list(from_), list(to))
    inputs = _matched("input", [*part.starts, *part.kept], twin.inputs)
    outputs = _matched("output", part.ends, twin.outputs)
    _merge_opsets(result, twin)
    anchor = _make_room(result, list(inputs), part.ends)
    made = _insert(result, twin, {theirs: ours for ours, theirs in inputs.items()}, anchor)
    rewriter = Rewriter(result)
    news = dict[Value, Value]()
    for old, theirs in outputs.items():
        # What bears a name of its own, or another one's already, gets a copy that can bear this one.
        own = theirs.producer is not None and made[theirs] not in news.values()
        news[old] = made[theirs] if own else rewriter.insert(Identity(), [made[theirs]], before=anchor).output
    for old, new in news.items():
        rewriter.replace_uses(old, new)
    rewriter.remove_unused()
    for old, new in news.items():
        name = old.name
        if old in result:
            rewriter.rename(old, result.fresh_name(f"{name}_replaced"))
        rewriter.rename(new, name)
    _take_names(rewriter, twin, made)
    verify(result)
    return result


def _matched(what: str, ours: Sequence[Value], theirs: Sequence[Value]) -> dict[Value, Value]:
    """The replacement's value for each of ours.

    Raises:
        CnnirError: ``replace-interface``.
    """
    if len(ours) != len(theirs):
        raise CnnirError(
            "replace-interface", f"the replacement has another number of {what}s",
            expected=", ".join(value.name for value in ours), got=", ".join(value.name for value in theirs) or "none",
        )  # fmt: skip
    by_name = {value.name: value for value in theirs}
    if set(by_name) == {value.name for value in ours}:
        pairs = {value: by_name[value.name] for value in ours}
    else:
        pairs = dict(zip(ours, theirs, strict=True))
    for value, other in pairs.items():
        if value.type != other.type:
            raise CnnirError(
                "replace-interface", f"{what} {other.name} of the replacement has another type", node=value.name,
                expected=value.type, got=other.type, hint="bind or resize the replacement first",
            )  # fmt: skip
    return pairs


def _merge_opsets(graph: Graph, other: Graph) -> None:
    for domain in {node.op.domain: None for node in other.nodes if isinstance(node.op, Opaque)}:
        theirs = other.provenance.opsets.get(domain)
        if theirs is not None and graph.provenance.opsets.setdefault(domain, theirs) != theirs:
            raise CnnirError(
                "replace-opset", f"the replacement holds ops of another version of {domain or 'the ONNX domain'}",
                expected=graph.provenance.opsets[domain], got=theirs, hint="bring both models to one opset first",
            )  # fmt: skip


def _make_room(graph: Graph, starts: Sequence[Value], ends: Sequence[Value]) -> Node | None:
    """The node to insert in front of, so that all starts are made before and all readers of ends stand behind.

    Raises:
        CnnirError: ``replace-cycle`` when there can be no such place.
    """
    order = graph.nodes
    place = {node: index for index, node in enumerate(order)}
    last = max((place[value.producer] for value in starts if value.producer is not None), default=-1)
    wave, movers = set(ends), list[Node]()
    for node in order[: last + 1]:
        if any(value in wave for value in node.operands):
            wave.update(node.outputs)
            movers.append(node)
    if hit := [value for value in starts if value in wave]:
        raise CnnirError(
            "replace-cycle", "the part begins with a value that rests on what it makes", node=hit[0].name,
            expected=f"nothing of {', '.join(value.name for value in ends)} behind it",
        )  # fmt: skip
    if not movers:
        return order[last + 1] if last + 1 < len(order) else None
    # Where the last node makes the last start, there is none behind it to be put in front of: nobody reads this one.
    behind = order[last + 1] if last + 1 < len(order) else graph.add_node(Identity(), [starts[0]])
    for node in reversed(movers):
        Rewriter(graph).move(node, behind)
        behind = node
    return behind


def _insert(graph: Graph, other: Graph, known: dict[Value, Value], anchor: Node | None) -> dict[Value, Value]:
    """The other graph's weights and nodes in this one, under free names; its values there."""
    rewriter = Rewriter(graph)
    for value in other.values:
        if value.weight is not None:
            known[value] = graph.add_weight(graph.fresh_name(value.name), value.weight)
    for node in other.nodes:
        names = list[str]()
        for value in node.outputs:
            # Two wishes of one node may fall together only when both are taken already.
            names.append(_free(graph, value.name, names))
        twin = rewriter.insert(
            node.op,
            [known[value] if value is not None else None for value in node.inputs],
            before=anchor,
            name=node.name,
            outputs=names,
            metadata=node.metadata,
        )
        for theirs, ours in zip(node.outputs, twin.outputs, strict=True):
            known[theirs] = ours
            if isinstance(ours.type, UnknownType):
                ours.type = theirs.type  # declared by its source: inference cannot confirm it
    return known


def _free(graph: Graph, wish: str, taken: Sequence[str]) -> str:
    name = graph.fresh_name(wish)
    while name in taken:
        name = graph.fresh_name(f"{name}_")
    return name


def _take_names(rewriter: Rewriter, other: Graph, made: dict[Value, Value]) -> None:
    """Names that have become free with what was replaced."""
    graph = rewriter.graph
    for theirs, ours in made.items():
        inserted = theirs.weight is not None or (theirs.producer is not None and theirs not in other.outputs)
        if inserted and ours in graph and graph.fresh_name(theirs.name) == theirs.name:
            rewriter.rename(ours, theirs.name)
    for node in other.nodes:
        twin = made[node.outputs[0]].producer if node.outputs else None
        if twin is not None and twin in graph and graph.fresh_name(node.name, node=True) == node.name:
            rewriter.rename(twin, node.name)
