"""Nodes that read nothing but constants become constants, lazily where they are ours."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cnnir.dims import is_known
from cnnir.errors import CnnirError
from cnnir.graph import Node, Value
from cnnir.interpreter import evaluate
from cnnir.ops import EyeLike, Opaque, Range, Shape, Size, Transpose
from cnnir.ops.opaque import hooks
from cnnir.passes.base import Journal
from cnnir.passes.fold.shapes import Dims, contents, follow, range_length
from cnnir.passes.fold.targets import define_by_target
from cnnir.rewriter import Rewriter
from cnnir.types import DType, TensorType, UnknownType
from cnnir.weights import AnyArray, Array, Computed, Weight

_RANDOM = (
    "Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
)  # fmt: skip
"""Ops whose result differs from run to run (Dropout is opaque where it trains): no constants, whatever they read."""

_WITH_BODIES = ("If", "Loop", "Scan", "SequenceMap")
"""Ops that run subgraphs, which may hold such ops."""

_OF_SHAPES = (Shape, Size, EyeLike)
"""Ops that read the shape of their operand and not its elements."""

_GROWTH = 4
"""A result may take so many times the bytes of what it is made of..."""

_SMALL = 1 << 20
"""...or so many bytes; beyond both, the nodes that make it are the smaller file."""


def fold_constants(rewriter: Rewriter, journal: Journal, nodes: Sequence[Node]) -> None:
    """Fold nodes that read nothing but constants, and define opaque nodes that become readable by it.

    Shape arithmetic on open dims is followed on the way: what comes out as numbers is a constant too.

    Args:
        rewriter: Of the graph.
        journal: What was folded, and what was not and why.
        nodes: Those to look at, in an order in which they can run.
    """
    followed: dict[Value, Dims] = {}
    for node in nodes:
        if isinstance(node.op, Opaque):
            _define(rewriter, journal, node, node.op)
            define_by_target(rewriter, journal, node, followed)
        given = [value.name for value in node.operands if rewriter.graph.may_be_given(value)]
        is_constant = _is_constant(node)
        if given:
            if is_constant or any(value in followed for value in node.operands):
                journal.refuse(f"callers may give {', '.join(given)} as an input", [node])
            continue
        if not is_constant:
            _count_range(rewriter, journal, node, followed)
            _follow(rewriter, journal, node, followed)
            continue
        try:
            weights = _weights(node)
        except CnnirError as error:
            journal.refuse(f"constant, but its value cannot be worked out: {error.message}", [node])
            continue
        if _grows(node, weights):
            journal.refuse("constant, but its value takes far more memory than what it is made of", [node])
            continue
        rewriter.freeze(node, weights)
        journal.change("constant", [node])
        journal.count("constants folded")
    _remove_arithmetic(rewriter, journal, followed)
    _refuse_opaque(rewriter, journal)


def _follow(rewriter: Rewriter, journal: Journal, node: Node, followed: dict[Value, Dims]) -> None:
    """Follow shape arithmetic; a node whose results are all numbers is a constant, whatever it is made of."""
    found = follow(node, followed)
    if found is None:
        return
    arrays = [contents(dims, _dtype(value)) for dims, value in zip(found, node.outputs, strict=True)]
    known = [Array.of(array) for array in arrays if array is not None]
    if len(known) < len(arrays):
        followed.update(zip(node.outputs, found, strict=True))
        return
    rewriter.freeze(node, known)
    journal.change("constant: no size that it reads is open", [node])
    journal.count("constants folded")


def _count_range(rewriter: Rewriter, journal: Journal, node: Node, followed: Mapping[Value, Dims]) -> None:
    """Give a Range whose limits are followed the length that they make."""
    if not isinstance(node.op, Range):
        return
    length = range_length(node, followed)
    if length is not None and node.op.lengths != (length,):
        rewriter.replace_node(node, Range((length,)), allow_retype=True)
        journal.change(f"its length {length} is worked out", [node])
        journal.count("ranges counted")


def _dtype(value: Value) -> DType:
    known = value.type.dtype if isinstance(value.type, TensorType | UnknownType) else None
    return known if known is not None else DType.INT64


def _remove_arithmetic(rewriter: Rewriter, journal: Journal, followed: Mapping[Value, Dims]) -> None:
    """Remove the shape arithmetic that nobody reads any more; refuse what still waits for its numbers."""
    nodes = list(dict.fromkeys(value.producer for value in followed if value.producer is not None))
    for node in reversed(nodes):
        if not any(value.uses or rewriter.graph.is_output(value) for value in node.outputs):
            rewriter.erase(node)
            journal.change("shape arithmetic that is not read any more", [node])
            journal.count("shape nodes removed")
    kept = [node for node in nodes if node in rewriter.graph]
    waiting = dict.fromkeys(user for node in kept for value in node.outputs for user in value.users)
    refused = {label for refusal in journal.refusals for label in refusal.nodes}
    for node in waiting:
        if node not in nodes and node.label not in refused:
            journal.refuse("what it reads is computed from sizes that are open; bind them", [node])


def _define(rewriter: Rewriter, journal: Journal, node: Node, op: Opaque) -> None:
    """Replace an opaque node by ours, where what kept it opaque is known by now."""
    found = hooks().define(op, node.inputs, _read(rewriter, node))
    if isinstance(found, str):
        return
    operands = [None if place is None else node.inputs[place] for place in found.operands]
    rewriter.replace_node(node, found.op, operands, allow_retype=True)
    node.metadata.update(found.metadata)
    journal.change(f"no longer opaque ({op.reason})", [node])
    journal.count("opaque nodes defined")


def _read(rewriter: Rewriter, node: Node) -> tuple[bool, ...]:
    return tuple(bool(value.uses) or rewriter.graph.is_output(value) for value in node.outputs)


def _refuse_opaque(rewriter: Rewriter, journal: Journal) -> None:
    """Name the opaque nodes that are left, with what keeps each from being a constant or one of ours."""
    refused = {label for refusal in journal.refusals for label in refusal.nodes}
    for node in rewriter.graph.nodes:
        if not isinstance(node.op, Opaque) or node.label in refused:
            continue
        reason = _not_a_constant(node, node.op)
        if reason is None:
            found = hooks().define(node.op, node.inputs, _read(rewriter, node))
            reason = f"stays opaque: {found if isinstance(found, str) else node.op.reason}"
        journal.refuse(reason, [node])


def _not_a_constant(node: Node, op: Opaque) -> str | None:
    """Why a node that reads nothing but constants is none; None when it reads other values too."""
    if any(value.weight is None for value in node.operands):
        return None
    if op.domain:
        return f"reads nothing but constants, but nobody here knows what {op.kind} computes"
    if op.op_type in _RANDOM:
        return "reads nothing but constants, but may draw anew at each run"
    if op.op_type in _WITH_BODIES:
        return "reads nothing but constants, but its body may draw anew at each run"
    return None


def may_differ(op: Opaque) -> bool:
    """True where nobody here knows that the same operands give the same result."""
    return bool(op.domain) or op.op_type in (*_RANDOM, *_WITH_BODIES)


def _is_constant(node: Node) -> bool:
    if isinstance(node.op, Opaque):
        if may_differ(node.op):
            return False
        if not node.operands:
            return False
    if isinstance(node.op, _OF_SHAPES):
        return all(_known_type(value) is not None for value in node.operands)
    return bool(node.outputs) and all(value.weight is not None for value in node.operands)


def _known_type(value: Value) -> TensorType | None:
    """The type when all its dims are numbers."""
    type_ = value.type
    return type_ if isinstance(type_, TensorType) and all(is_known(dim) for dim in type_.shape) else None


def _weights(node: Node) -> list[Weight]:
    """Lazy where our op tells shape and type; at once where another library computes."""
    if isinstance(node.op, (Opaque, *_OF_SHAPES)):
        results = evaluate(node, [_stand_in(node, value) for value in node.inputs])
        if any(not isinstance(result, np.ndarray) for result in results):
            raise CnnirError("fold-type", "it is no tensor")
        return [Array.of(result) for result in results]
    source = node.operands[0].weight if node.operands else None
    if source is not None and len(node.outputs) == 1:
        type_ = _known_type(node.output)
        if type_ is not None and node.op.view:
            return [source.reshaped(_ints(type_))]
        if isinstance(node.op, Transpose):
            return [source.transposed(node.op.permutation)]
    return _computed(node)


def _stand_in(node: Node, value: Value | None) -> AnyArray | None:
    """A constant's contents; for an op that reads the shape alone, an array of that shape that takes no memory."""
    if value is None:
        return None
    if value.weight is not None:
        return value.weight.array()
    type_ = _known_type(value)
    if type_ is None:
        raise CnnirError("fold-type", f"the shape of {value.name} is not known")
    return np.broadcast_to(np.zeros((), type_.dtype.numpy), _ints(type_))


def _computed(node: Node) -> list[Weight]:
    """One weight an output; the kernel runs once, when the first of them is asked for."""
    types = [_known_type(value) for value in node.outputs]
    sources = [value.weight if value is not None else None for value in node.inputs]
    found: list[AnyArray] = []

    def results() -> Sequence[AnyArray]:
        if not found:
            found.extend(evaluate(frozen, [source.array() if source is not None else None for source in sources]))
        return found

    # The node is taken out of the graph, and its outputs with it: what is kept computes on its own.
    frozen = Node(node.name, node.op, (), {})
    frozen.outputs = tuple(Value(value.name, value.type) for value in node.outputs)

    def one(index: int) -> Callable[[], AnyArray]:
        return lambda: results()[index]

    if any(type_ is None for type_ in types):
        raise CnnirError("fold-type", "the shape of its result is not known")
    known = [type_ for type_ in types if type_ is not None]
    return [Computed(type_.dtype, _ints(type_), one(index)) for index, type_ in enumerate(known)]


def _ints(type_: TensorType) -> tuple[int, ...]:
    return tuple(dim for dim in type_.shape if is_known(dim))


def _grows(node: Node, weights: Sequence[Weight]) -> bool:
    def size(weight: Weight) -> int:
        return math.prod(weight.shape) * weight.dtype.numpy.itemsize

    made = sum(size(weight) for weight in weights)
    read = sum(size(value.weight) for value in node.operands if value.weight is not None)
    return made > _SMALL and made > _GROWTH * read
