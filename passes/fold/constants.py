"""Nodes that read nothing but constants become constants, lazily where they are ours."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from cnnir.dims import is_known
from cnnir.errors import CnnirError
from cnnir.graph import Node, Value
from cnnir.interpreter import evaluate
from cnnir.ops import Opaque, Transpose
from cnnir.ops.opaque import hooks
from cnnir.passes.base import Journal
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType
from cnnir.weights import AnyArray, Array, Computed, Weight

_RANDOM = (
    "Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
)  # fmt: skip
"""Ops whose result differs from run to run (Dropout is opaque where it trains): no constants, whatever they read."""

_WITH_BODIES = ("If", "Loop", "Scan", "SequenceMap")
"""Ops that run subgraphs, which may hold such ops."""

_OF_SHAPES = ("Shape", "Size")
"""Ops that read the shape of their operand and not its elements."""

_GROWTH = 4
"""A result may take so many times the bytes of what it is made of..."""

_SMALL = 1 << 20
"""...or so many bytes; beyond both, the nodes that make it are the smaller file."""


def fold_constants(rewriter: Rewriter, journal: Journal) -> None:
    """Fold every node that reads nothing but constants, and define opaque nodes that become readable by it."""
    for node in rewriter.graph.nodes:
        if isinstance(node.op, Opaque):
            _define(rewriter, journal, node, node.op)
        if not _is_constant(node):
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


def _define(rewriter: Rewriter, journal: Journal, node: Node, op: Opaque) -> None:
    """Replace an opaque node by ours, where what kept it opaque is known by now."""
    read = tuple(bool(value.uses) or rewriter.graph.is_output(value) for value in node.outputs)
    found = hooks().define(op, node.inputs, read)
    if isinstance(found, str):
        return
    operands = [None if place is None else node.inputs[place] for place in found.operands]
    rewriter.replace_node(node, found.op, operands, allow_retype=True)
    node.metadata.update(found.metadata)
    journal.change(f"no longer opaque ({op.reason})", [node])
    journal.count("opaque nodes defined")


def _is_constant(node: Node) -> bool:
    if isinstance(node.op, Opaque):
        if node.op.domain or node.op.op_type in (*_RANDOM, *_WITH_BODIES):
            return False
        if node.op.op_type in _OF_SHAPES and not node.op.captures:
            return all(_known_type(value) is not None for value in node.operands)
        if not node.operands:
            return False
    return bool(node.outputs) and all(value.weight is not None for value in node.operands)


def _known_type(value: Value) -> TensorType | None:
    """The type when all its dims are numbers."""
    type_ = value.type
    return type_ if isinstance(type_, TensorType) and all(is_known(dim) for dim in type_.shape) else None


def _weights(node: Node) -> list[Weight]:
    """Lazy where our op tells shape and type; at once where another library computes."""
    if isinstance(node.op, Opaque):
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
