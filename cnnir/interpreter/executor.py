"""Running a graph in NumPy: freely, or step by step as a memory plan says, in one buffer a pool.

The plan decides and the executor obeys: with a plan, every stored value lies at its planned offset with its planned
strides, and what is in the report is what is used. Kernels take their own workspace outside of the pools; so does, for
now, what a fused step makes and the plan does not store.
"""

import copy
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast
from weakref import WeakValueDictionary

import numpy as np

from cnnir.dims import bind, is_known
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.interpreter.arena import Arena
from cnnir.interpreter.fallback import Fallback
from cnnir.interpreter.feeds import checked_feed
from cnnir.interpreter.kernels import kernels
from cnnir.interpreter.watching import Done, Watch
from cnnir.ops import Concat, Identity
from cnnir.ops.base import Op, infer
from cnnir.ops.opaque import Opaque, hooks
from cnnir.plan import JOIN, KERNEL, VIEW, MemoryPlan
from cnnir.text import digest
from cnnir.types import DType, OptionalType, TensorType, Type, UnknownType, known_shape
from cnnir.weights import AnyArray, Array, Weight

_NO_BINDINGS: Mapping[str, int] = MappingProxyType({})

_WAYS = (KERNEL, VIEW, JOIN)
"""The algorithms of steps that are executed."""

_PROVED: WeakValueDictionary[int, MemoryPlan] = WeakValueDictionary()
"""Plans that have been checked against the graph of their digest: each is proved once, not at every run."""


def run(
    graph: Graph,
    feed: Mapping[str, AnyArray],
    outputs: Sequence[str] | None = None,
    plan: MemoryPlan | None = None,
    fallback: Fallback | None = None,
    *,
    poison: bool = False,
    watch: Watch | None = None,
) -> dict[str, AnyArray]:
    """Compute a graph.

    Args:
        graph: Symbolic dims are bound by the shapes that are fed.
        feed: An array for each input, by name.
        outputs: Names of the values wanted, any node's; the graph's outputs when None.
        plan: Execute this plan in its pools; without one, arrays are made and dropped as the run goes.
        fallback: Says whether nodes may be left to another library, and records which were; None allows it.
        poison: Spoil all bytes of the pools that hold nothing needed before each step of the plan: a search for whoever
            reads what is not there. Slow.
        watch: Is told after each step, each node where there is no plan, which values it has made.

    Returns:
        The wanted values by name; arrays of the caller's own, not parts of a pool.

    Raises:
        CnnirError: for a feed that does not fit, an unknown value, ``plan-mismatch``, ``plan-unsupported`` for a step
            in a way that is not here or a value that does not lie as one strided array, ``poison`` without a plan, an
            op without kernel, or ``fallback-refused``.
    """
    if poison and plan is None:
        raise CnnirError("poison", "a run without a plan has no pools whose bytes could be spoilt", hint="give a plan")
    names = list(outputs) if outputs is not None else [value.name for value in graph.outputs]
    fed, bindings = checked_feed(graph, feed)
    if plan is None:
        graph = _sized(graph, fed, bindings)
    elif bindings:
        graph = graph.bind(**bindings)
    wanted = {name: graph.value(name) for name in names}
    arrays = {graph.value(name): array for name, array in fed.items()}
    if plan is None:
        found = _run_free(graph, arrays, set(wanted.values()), bindings, fallback, watch)
    else:
        found = _run_planned(graph, arrays, wanted, plan, fallback, watch, poison=poison)
    return {name: found[value] for name, value in wanted.items()}


def _sized(graph: Graph, fed: Mapping[str, AnyArray], bindings: Mapping[str, int]) -> Graph:
    """The graph, inferred anew for the fed shapes where its types do not hold for them.

    A constraint is a sufficient condition: where N meets 3 it asks for N == 3, and yet 1 broadcasts as well.

    Raises:
        CnnirError: ``constraint`` when inference refuses the shapes, too.
    """
    broken = next((item for item in graph.constraints if item.check(bindings) is False), None)
    if broken is None:
        return graph
    shapes = {value.name: fed[value.name].shape for value in graph.inputs if isinstance(value.type, TensorType)}
    try:
        return graph.resize(shapes)
    except CnnirError as error:
        raise CnnirError(
            "constraint", broken.reason, node=broken.node, expected=str(broken), got=dict(bindings)
        ) from error


def _run_free(
    graph: Graph,
    arrays: Mapping[Value, AnyArray],
    wanted: set[Value],
    bindings: Mapping[str, int],
    fallback: Fallback | None,
    watch: Watch | None,
) -> dict[Value, AnyArray]:
    """Run in the graph's order; a value is dropped after its last reader."""
    live: dict[Value, AnyArray] = dict(arrays)
    keep = {value: live[value] for value in wanted if value in live}
    readers = {value: len(value.users) for value in graph.values}
    needed = _needed(graph, wanted)
    for number, node in enumerate(needed, 1):
        operands = [_operand(value, live) for value in node.inputs]
        results = evaluate(node, operands, bindings, fallback)
        for value, result in zip(node.outputs, results, strict=True):
            live[value] = result
            if value in wanted:
                keep[value] = result
        if watch is not None:
            watch(Done(number, len(needed), {value.name: live[value] for value in node.outputs}))
        for value in dict.fromkeys(node.operands):
            readers[value] -= 1
            if readers[value] == 0:
                live.pop(value, None)
    keep.update((value, np.array(value.weight.array())) for value in wanted if value.weight is not None)
    # What was fed is the caller's; give back arrays that are nobody else's.
    return {value: copy.deepcopy(array) if value in arrays else array for value, array in keep.items()}


def evaluate(
    node: Node,
    operands: Sequence[AnyArray | None],
    bindings: Mapping[str, int] = _NO_BINDINGS,
    fallback: Fallback | None = None,
) -> list[AnyArray]:
    """The values of a node's outputs for these operands.

    Args:
        node: Of any graph, symbolic or not.
        operands: Arrays; sequences and optionals as Python has them, for opaque nodes and Identity.
        bindings: Sizes of symbols, where the node speaks of some.
        fallback: Who is told of nodes that another library computes; None allows them.

    Raises:
        CnnirError: from the kernel, or from whoever evaluates opaque ops, naming the node; ``kernel-failed`` for what
            NumPy raises.
    """
    if isinstance(node.op, Opaque):
        return _evaluate_opaque(node, operands, bindings, fallback)
    if isinstance(node.op, Identity) and not isinstance(operands[0], np.ndarray):
        # A sequence or an optional, as it was fed or made.
        return [cast("AnyArray", copy.deepcopy(operands[0]))]
    with _blamed(node):
        op = node.op.bound(bindings) if bindings else node.op
        results = _results(node, op, operands)
        _call(op, operands, results)
    return results


def _needed(graph: Graph, wanted: set[Value]) -> list[Node]:
    """The nodes that the wanted values rest on, in order."""
    needed = set(wanted)
    nodes = []
    for node in reversed(graph.nodes):
        if any(value in needed for value in node.outputs):
            needed.update(node.operands)
            nodes.append(node)
    return nodes[::-1]


def _operand(value: Value | None, live: Mapping[Value, AnyArray]) -> AnyArray | None:
    if value is None:
        return None
    return value.weight.array() if value.weight is not None else live[value]


@dataclass(frozen=True, slots=True)
class _Concrete:
    """An operand whose shape is known because its array is there."""

    type: Type
    weight: Weight | None


def _results(node: Node, op: Op, operands: Sequence[AnyArray | None]) -> list[AnyArray]:
    """Arrays for the node's outputs, of the inferred types, made concrete where the graph's are not."""
    types: Sequence[Type] = [value.type for value in node.outputs]
    if not all(isinstance(type_, TensorType) and all(is_known(dim) for dim in type_.shape) for type_ in types):
        sources = [_concrete(array) if array is not None else None for array in operands]
        types, _ = infer(op, sources, node.label)
    return [_empty(node, type_) for type_ in types]


def _concrete(array: AnyArray) -> _Concrete:
    return _Concrete(TensorType(DType.of(array.dtype), array.shape), Array.of(array))


def _empty(node: Node, type_: Type) -> AnyArray:
    if not isinstance(type_, TensorType):
        raise CnnirError("type-unknown", "the type of an output is not known", node=node.label, got=type_)
    shape = tuple(dim for dim in type_.shape if is_known(dim))
    if len(shape) != type_.rank:
        raise CnnirError("dims-unbound", "the shape of an output is not known", node=node.label, got=type_)
    return np.empty(shape, type_.dtype.numpy)


def _call(op: Op, operands: Sequence[AnyArray | None], results: Sequence[AnyArray]) -> None:
    """Call the op's kernel."""
    # Overflow, infinities and NaN are values like others: as IEEE 754 has it, and no reason to warn.
    with np.errstate(all="ignore"):
        kernels[type(op)](op, operands, results)


@contextmanager
def _blamed(node: Node) -> Iterator[None]:
    """Whatever goes wrong inside becomes an error that names the node."""
    try:
        yield
    except CnnirError as error:
        raise error.at(node.label) from error.__cause__
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise CnnirError("kernel-failed", "the node cannot be computed", node=node.label, got=text) from error


def _evaluate_opaque(
    node: Node, operands: Sequence[AnyArray | None], bindings: Mapping[str, int], fallback: Fallback | None
) -> list[AnyArray]:
    """The values of an opaque node's outputs, which must be of the types that the graph says.

    Raises:
        CnnirError: ``opaque-type``, ``fallback-refused``, or from whoever evaluates.
    """
    assert isinstance(node.op, Opaque)  # noqa: S101  the callers' branch
    with _blamed(node):
        results = _evaluate_defined(node.op, operands)
        if isinstance(results, str):
            if fallback is not None:
                fallback.take(node, results)
            results = hooks().evaluate(node.op, operands)
        for value, result in zip(node.outputs, results, strict=True):
            if not _is_of(value.type, result, bindings):
                got = (
                    TensorType(DType.of(result.dtype), result.shape) if isinstance(result, np.ndarray) else type(result)
                )
                message = f"the value of {value.name} is of another type than was inferred"
                raise CnnirError("opaque-type", message, expected=value.type, got=got)
    return results


def _evaluate_defined(op: Opaque, operands: Sequence[AnyArray | None]) -> list[AnyArray] | str:
    """The values by our own kernel, where the operands at hand say what was open (a shape, say); else why not."""
    if not all(array is None or isinstance(array, np.ndarray) for array in operands):
        return op.reason  # sequences and optionals
    sources = tuple(_concrete(array) if array is not None else None for array in operands)
    found = hooks().define(op, sources, (True,) * op.num_outputs)
    if isinstance(found, str):
        return found
    places = found.operands
    types, _ = infer(found.op, [sources[place] if place is not None else None for place in places])
    tensors = [type_ for type_ in types if isinstance(type_, TensorType)]
    if len(tensors) < len(types):
        return op.reason
    results = [np.empty(known_shape(tensor.shape), tensor.dtype.numpy) for tensor in tensors]
    _call(found.op, [operands[place] if place is not None else None for place in places], results)
    return results


def _is_of(type_: Type, result: object, bindings: Mapping[str, int]) -> bool:
    """Whether a value fits its type, as far as the type is known."""
    if isinstance(type_, UnknownType):
        return type_.dtype is None or (isinstance(result, np.ndarray) and DType.of(result.dtype) is type_.dtype)
    if not isinstance(type_, TensorType):
        return isinstance(type_, OptionalType) or isinstance(result, list)
    if not isinstance(result, np.ndarray) or DType.of(result.dtype) is not type_.dtype or result.ndim != type_.rank:
        return False
    dims = [bind(dim, bindings) for dim in type_.shape]
    return all(dim == size for dim, size in zip(dims, result.shape, strict=True) if is_known(dim))


def _run_planned(
    graph: Graph,
    arrays: Mapping[Value, AnyArray],
    wanted: Mapping[str, Value],
    plan: MemoryPlan,
    fallback: Fallback | None,
    watch: Watch | None,
    *,
    poison: bool,
) -> dict[Value, AnyArray]:
    """Run the plan's steps; outputs are copied out at the end, other wanted values as soon as they are there."""
    if plan.digest != (wanted_digest := digest(graph)):
        raise CnnirError(
            "plan-mismatch", "the plan was made for another graph", expected=wanted_digest[:12], got=plan.digest[:12]
        )
    _check_ways(plan)
    if _PROVED.get(id(plan)) is not plan:
        plan.check(graph)
        _PROVED[id(plan)] = plan
    arena = Arena(plan)
    views = arena.arrays
    found: dict[Value, AnyArray] = {
        value: np.array(value.weight.array()) for value in wanted.values() if value.weight is not None
    }
    for value, array in arrays.items():
        views[value.name][...] = array
        if value.name in wanted:
            found[value] = array.copy()
    for number in arena.poisoned() if poison else range(len(plan.steps)):
        step = plan.steps[number]
        if step.algorithm == VIEW:
            made = {value: views[value.name] for value in graph.node(step.nodes[0]).outputs}
        elif step.algorithm == JOIN:
            made = join(graph.node(step.nodes[0]), views)
        else:
            made = compute([graph.node(name) for name in step.nodes], views, fallback, set(wanted.values()))
        # Others may take the place of what is not the graph's own output, and what is not stored is gone after this.
        found.update((value, array.copy()) for value, array in made.items() if wanted.get(value.name) is value)
        if watch is not None:
            watch(Done(number + 1, len(plan.steps), {value.name: array for value, array in made.items()}))
    found.update((graph.value(name), views[name].copy()) for name in plan.outputs if name in wanted)
    return found


def _check_ways(plan: MemoryPlan) -> None:
    """Every step is computed in a way that is here: another one than the plan says would need other scratch.

    Raises:
        CnnirError: ``plan-unsupported`` naming the first step that is not.
    """
    for number, step in enumerate(plan.steps):
        if step.algorithm not in _WAYS:
            raise CnnirError(
                "plan-unsupported",
                "the interpreter has no such way to compute it",
                node=f"step {number} ({step.label})",
                expected=", ".join(_WAYS),
                got=step.algorithm,
                hint='plan with workspace="today"',
            )


def compute(
    nodes: Sequence[Node], views: Mapping[str, AnyArray], fallback: Fallback | None, wanted: Collection[Value]
) -> dict[Value, AnyArray]:
    """Run the nodes of a step, one after the other; what the plan does not store lies outside of the pools.

    Returns:
        What the step stores, and what is wanted of the rest.
    """
    made: dict[Value, AnyArray] = {}
    readers = Counter(value for node in nodes for value in set(node.operands))
    for node in nodes:
        operands = [_planned_operand(value, made, views) for value in node.inputs]
        for value in node.outputs:
            made[value] = views[value.name] if value.name in views else _empty(node, value.type)
        _compute_into(node, operands, [made[value] for value in node.outputs], fallback)
        readers.subtract(set(node.operands))
        over = [v for v in made if readers[v] == 0 and v.name not in views and v not in wanted]
        for value in over:
            del made[value]
    return made


def _planned_operand(
    value: Value | None, made: Mapping[Value, AnyArray], views: Mapping[str, AnyArray]
) -> AnyArray | None:
    if value is None:
        return None
    if value.weight is not None:
        return value.weight.array()
    return made[value] if value in made else views[value.name]


def join(node: Node, views: Mapping[str, AnyArray]) -> dict[Value, AnyArray]:
    """Copy those operands of a Concat to their places that do not lie there."""
    assert isinstance(node.op, Concat)  # noqa: S101  the plan has been proved
    (output,) = node.outputs
    parts = [_planned_operand(value, {}, views) for value in node.inputs]
    begin = 0
    for part in parts:
        assert part is not None  # noqa: S101  a Concat has no optional operands
        end = begin + part.shape[node.op.axis]
        place = views[output.name][(slice(None),) * node.op.axis + (slice(begin, end),)]
        if place.__array_interface__["data"] != part.__array_interface__["data"] or place.strides != part.strides:
            place[...] = part
        begin = end
    return {output: views[output.name]}


def _compute_into(
    node: Node, operands: Sequence[AnyArray | None], results: Sequence[AnyArray], fallback: Fallback | None
) -> None:
    if not isinstance(node.op, Opaque):
        with _blamed(node):
            _call(node.op, operands, results)
        return
    for place, result in zip(results, _evaluate_opaque(node, operands, _NO_BINDINGS, fallback), strict=True):
        place[...] = result
