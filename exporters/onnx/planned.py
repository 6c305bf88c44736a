"""A memory plan inside an ONNX file: ``cnnir.plan/1`` JSON under a key of its metadata, the nodes in the plan's order.

A file may say a node in several, and loading may name things anew. So the plan that is written is one of the network
that the file gives when it is loaded, and it is proved against that network before anything is written.
"""

import json
from dataclasses import replace
from pathlib import Path

from onnx import ModelProto

from cnnir.errors import CnnirError
from cnnir.exporters.onnx.loading import as_loaded, load
from cnnir.exporters.onnx.writer import Writer
from cnnir.graph import Graph, Value
from cnnir.plan import MemoryPlan, PlannedValue, Step
from cnnir.plan.serial import plan_to_document
from cnnir.rewriter import Rewriter
from cnnir.text import digest
from cnnir.types import TensorType, known_shape

KEY = "cnnir.plan"
"""Of the plan among a model's ``metadata_props``."""


def read_plan(source: Graph | str | Path) -> MemoryPlan:
    """The plan that a file carries, proved against the network in it.

    Args:
        source: The file, or the graph that `load` made of it. A graph that has been changed since is another network.

    Raises:
        CnnirError: ``plan-missing`` where there is none, ``plan-syntax``, ``plan-graph`` where it is another
            network's, any of `cnnir.plan.check_plan`; for a file also what `load` raises.
    """
    graph = source if isinstance(source, Graph) else load(source)
    place = graph.name if isinstance(source, Graph) else str(source)
    text = graph.provenance.metadata.get(KEY)
    if text is None:
        raise CnnirError(
            "plan-missing", "the network carries no memory plan", node=place,
            hint="save(graph, path, plan=graph.plan()) writes one, as cnnir plan MODEL --onnx FILE does",
        )  # fmt: skip
    try:
        plan = MemoryPlan.from_json(text)
        plan.check(graph)
    except CnnirError as error:
        raise error.at(place) from None
    return plan


def written(
    graph: Graph,
    plan: MemoryPlan | None,
    opset: int | None = None,
    ir_version: int | None = None,
    *,
    keep_apart: bool = False,
) -> tuple[Writer, ModelProto]:
    """The model of a graph and what wrote it, with the plan in it.

    Without a plan, the one that the graph carries from its file is written again where it still holds; one that is no
    longer true is left out.

    Raises:
        CnnirError: from `Writer`; ``plan-graph`` and the like for a plan that is not the graph's, ``plan-export`` for
            one that does not hold for the network as the file says it.
    """
    if plan is not None:
        _require_own(plan, graph)
    chosen = _carried(graph) if plan is None else plan
    writer = Writer(graph if chosen is None else _scheduled(graph, chosen), opset, ir_version, keep_apart=keep_apart)
    model = writer.model()
    try:
        text = None if chosen is None else _compact(_fitted(chosen, writer, model))
    except CnnirError:
        if plan is not None:
            raise
        text = None
    _put(model, text)
    return writer, model


def _require_own(plan: MemoryPlan, graph: Graph) -> None:
    try:
        plan.check(graph)
    except CnnirError as error:
        if error.code == "plan-graph" and error.hint is None:
            error.hint = "a plan travels with the very graph that it was made for, its dims bound"
        raise


def _carried(graph: Graph) -> MemoryPlan | None:
    if KEY not in graph.provenance.metadata:
        return None
    try:
        return read_plan(graph)
    except CnnirError:
        return None


def _scheduled(graph: Graph, plan: MemoryPlan) -> Graph:
    """The graph with its nodes in the plan's order; a node that several steps compute stands where the first does."""
    order = list(dict.fromkeys(plan.order))
    if order == [node.name for node in graph.nodes]:
        return graph
    result = graph.clone()
    rewriter = Rewriter(result)
    waiting = dict.fromkeys(node.name for node in result.nodes)
    for name in order:
        first = next(iter(waiting))
        # Whatever the node reads stands in front of all that wait.
        rewriter.move(result.node(name), before=result.node(first))
        del waiting[name]
    return result


def _fitted(plan: MemoryPlan, writer: Writer, model: ModelProto) -> MemoryPlan:
    """The same plan for the network that the model gives when it is loaded.

    A node that the file says in several becomes a step of several, with nothing stored between them.
    """
    loaded = as_loaded(model, weights=writer.apart)
    parts: dict[str, list[str]] = {}
    for node in loaded.nodes:
        parts.setdefault(writer.origins.get(node.name, ""), []).append(node.name)
    fitted = replace(
        plan,
        graph=loaded.name,
        digest=digest(loaded),
        values={**plan.values, **{v.name: _unstored(v) for v in _computed(loaded) if v.name not in plan.values}},
        steps=tuple(_fitted_step(step, parts) for step in plan.steps),
    )
    try:
        fitted.check(loaded)
    except CnnirError as error:
        reason = f"{error.message} (at {error.node})" if error.node else error.message
        raise _not_followed(reason) from None
    return fitted


def _fitted_step(step: Step, parts: dict[str, list[str]]) -> Step:
    gone = next((name for name in step.nodes if name not in parts), None)
    if gone is not None:
        raise _not_followed("a node is no longer there when the file is loaded", gone)
    return replace(step, nodes=tuple(part for name in step.nodes for part in parts[name]))


def _computed(graph: Graph) -> list[Value]:
    return [value for value in graph.values if value.weight is None]


def _unstored(value: Value) -> PlannedValue:
    if not isinstance(value.type, TensorType):
        raise _not_followed("a value between two nodes is no tensor", value.name)
    return PlannedValue(value.type.dtype.value, known_shape(value.type.shape, value.name), None)


def _not_followed(reason: str, node: str | None = None) -> CnnirError:
    return CnnirError(
        "plan-export", f"the file says the network in a way that the plan does not hold for: {reason}", node=node,
        hint="save the graph without the plan, load it, and plan what has been loaded",
    )  # fmt: skip


def _compact(plan: MemoryPlan) -> str:
    return json.dumps(plan_to_document(plan), separators=(",", ":"), ensure_ascii=False)


def _put(model: ModelProto, text: str | None) -> None:
    """Set, add or take out the entry; the others keep their places."""
    entry = next((entry for entry in model.metadata_props if entry.key == KEY), None)
    if entry is not None and text is None:
        model.metadata_props.remove(entry)
    elif text is not None:
        entry = entry or model.metadata_props.add(key=KEY)
        entry.value = text
