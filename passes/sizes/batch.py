"""Other sizes for a network's inputs: the batch, or height and width.

A batch can be changed only where every node works on each image of it alone, with the batch in front. That is decided
by inferring the whole network for a symbolic batch ``B`` of its own: the first dim of all that rests on the inputs must
be ``B``, and no other dim may hold it. A Reshape, which only lays the same elements out anew, may also put several
parts of one image there (``3 * B``); nothing else may. What shapes do not tell (Softmax over the batch, images in
another order, foreign ops) is refused by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from cnnir.dims import Dim, is_known, parse_dim, symbols
from cnnir.dims import bind as bind_dim
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import (
    Einsum,
    EyeLike,
    Flatten,
    Gather,
    GatherElements,
    GatherND,
    MaxPool,
    Opaque,
    Pad,
    Reshape,
    ScatterElements,
    ScatterND,
    Shape,
    Size,
    Slice,
    TopK,
    Trilu,
)
from cnnir.ops.recurrent import Recurrent
from cnnir.ops.reduction import Extreme
from cnnir.ops.running import Running
from cnnir.passes.base import Journal, Pass, Preserves
from cnnir.passes.sizes.shape_inference import graph_symbols, retype_inputs
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType, Type


@dataclass(frozen=True)
class SetBatch(Pass):
    """Another batch: the first dim of all inputs becomes a number or a symbol.

    Attributes:
        batch: A number, or a symbol's name.
    """

    name: ClassVar[str] = "set-batch"
    preserves: ClassVar[Preserves] = "nothing"

    batch: str = "N"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        new = _size(self.batch)
        old = _batch(graph)
        if new == old:
            journal.refuse(f"the batch is {old} already")
            return
        if not is_known(new) and any(name in graph_symbols(graph) for name in symbols(new)):
            raise CnnirError("batch-symbol", "the symbol is another dim's already", got=self.batch, hint="take another")
        _free_reshapes(graph, old, journal)
        _check_apart(graph)
        retype_inputs(graph, {value: _with_batch(value.type, new) for value in graph.inputs}, Journal(), resized=False)
        journal.change(f"the batch becomes {new}, it was {old}")


@dataclass(frozen=True)
class SetSize(Pass):
    """Another height and width of the one input with batch, channels, height and width: ``set-size{size=384x384}``.

    Attributes:
        size: ``HxW``: numbers, or names of symbols.
    """

    name: ClassVar[str] = "set-size"
    preserves: ClassVar[Preserves] = "nothing"

    size: str = "HxW"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        parts = self.size.split("x")
        images = {value: value.type for value in graph.inputs if _rank(value.type) == 4}
        if len(parts) != 2:
            raise CnnirError("size", "a size is written HxW", expected="for instance 224x224", got=self.size)
        if len(images) != 1:
            found = ", ".join(f"{value.name}: {value.type}" for value in graph.inputs)
            raise CnnirError("size", "one input with batch, channels, height and width is needed", got=found)
        ((value, old),) = images.items()
        if isinstance(old, TensorType):
            new = old.with_shape((*old.shape[:2], *map(_size, parts)))
            retype_inputs(graph, {value: new}, Journal())
            journal.change(f"input {value.name} becomes {new}, it was {old}")


def _size(text: str) -> Dim:
    """A size of at least 1, or a symbol."""
    dim = parse_dim(text.strip())
    if is_known(dim) and dim < 1:
        raise CnnirError("dim-negative", "a size is at least 1", got=text)
    if not is_known(dim) and str(dim) not in symbols(dim):
        raise CnnirError("dim-syntax", "a size is a number or one symbol", got=text)
    return dim


def _rank(type_: Type) -> int:
    return type_.rank if isinstance(type_, TensorType) else -1


def _batch(graph: Graph) -> Dim:
    """The first dim that all inputs share."""
    found = dict[Dim, str]()
    for value in graph.inputs:
        if not isinstance(value.type, TensorType) or not value.type.shape:
            raise CnnirError("batch-inputs", "the input has no batch", node=value.name, got=value.type)
        found.setdefault(value.type.shape[0], value.name)
    if len(found) != 1:
        shown = ", ".join(f"{name} has {dim}" for dim, name in found.items())
        raise CnnirError("batch-inputs", "the inputs have no common batch", got=shown or "no inputs")
    return next(iter(found))


def _with_batch(type_: Type, batch: Dim) -> Type:
    return type_.with_shape((batch, *type_.shape[1:])) if isinstance(type_, TensorType) else type_


def _free_reshapes(graph: Graph, old: Dim, journal: Journal) -> None:
    """Reshapes that name the batch copy it instead, where what they read has it in front too."""
    rewriter = Rewriter(graph)
    for node in _resting(graph):
        data = node.operands[0].type if node.operands else None
        if not isinstance(node.op, Reshape) or not isinstance(data, TensorType) or not data.shape:
            continue
        target = node.op.shape
        if not target or target[0] != old or data.shape[0] != old or (node.op.allowzero and 0 in target):
            continue
        rewriter.replace_node(node, Reshape((0, *target[1:])))
        journal.change("copies the batch instead of naming it", [node])
        journal.count("reshapes freed")


def _resting(graph: Graph) -> list[Node]:
    """The nodes that rest on inputs, in order."""
    resting = set(graph.inputs)
    nodes = []
    for node in graph.nodes:
        if any(value in resting for value in node.operands):
            resting.update(node.outputs)
            nodes.append(node)
    return nodes


def _check_apart(graph: Graph) -> None:
    """Nothing mixes the images of a batch.

    Raises:
        CnnirError: ``batch-mixed`` naming the node that does, or of which that is not known; from inference.
    """
    trial = graph.clone()
    taken = graph_symbols(graph)
    name = next(name for name in (f"B{number}" for number in range(len(taken) + 1)) if name not in taken)
    batch = parse_dim(name)
    try:
        retype_inputs(
            trial, {value: _with_batch(value.type, batch) for value in trial.inputs}, Journal(), resized=False
        )
    except CnnirError as error:
        error.hint = f"it is tied to one batch; {error.hint}" if error.hint else "it is tied to one batch"
        raise
    for node in _resting(trial):
        reason = _mixes_unseen(trial, node) or _mixes(node, name)
        if reason is not None:
            sizes = isinstance(node.op, Opaque | Shape | Size)
            hint = "fold first: it works out what rests on shapes alone" if sizes else None
            raise CnnirError("batch-mixed", f"the batch cannot be changed: {reason}", node=node.label, hint=hint)


def _mixes_unseen(graph: Graph, node: Node) -> str | None:
    """Why the images of a batch may not stay apart though the shapes would look the same, None when nothing says so."""
    op = node.op
    axes: tuple[int, ...] = getattr(op, "axes", None) or ()
    if isinstance(op, Extreme | TopK) and op.axis == 0:
        return "it looks for an extreme along the batch"
    if (0 in axes and not isinstance(op, Slice)) or (isinstance(op, Running) and op.axis == 0):
        return "it works along the batch"
    if isinstance(op, Slice) and any(axis == 0 and step < 0 for axis, step in zip(op.axes, op.steps, strict=True)):
        return "it turns the order of the images round"
    if _by_place(node) and node.operands[0].weight is None:
        return "it takes images by their place in the batch"
    if isinstance(op, EyeLike | Trilu) and _rank(node.output.type) == 2:
        return "what it gives for an image depends on its place in the batch"
    if isinstance(op, Recurrent) and not op.batch_first:
        return "it goes along the batch step by step"
    if isinstance(op, Einsum) and _sums_images(node, op):
        return "it sums over images"
    if isinstance(op, Pad) and op.pads[0]:
        return "it moves the images along the batch"
    if isinstance(op, MaxPool) and op.with_indices and (node.outputs[1].uses or graph.is_output(node.outputs[1])):
        return "the indices of its maxima count through all images"
    if isinstance(op, Opaque):
        return "nobody here knows whether it works on each image alone"
    return None


def _by_place(node: Node) -> bool:
    """Whether indices say which images are read or written."""
    op = node.op
    if isinstance(op, ScatterElements):
        # Indices for fewer images than there are reach the first ones alone.
        fronts = {value.type.shape[0] for value in node.operands if isinstance(value.type, TensorType)}
        return op.axis == 0 or len(fronts) > 1
    if isinstance(op, Gather | GatherElements):
        return op.axis == 0
    return isinstance(op, ScatterND) or (isinstance(op, GatherND) and op.batch_dims == 0)


def _sums_images(node: Node, op: Einsum) -> bool:
    """Whether the first axis of an operand that changes with the batch is not the first one of the result."""
    labels, result = op.labels([_rank(value.type) for value in node.operands])
    resting = [label for label, value in zip(labels, node.operands, strict=True) if value.weight is None]
    return any(label[:1] != result[:1] for label in resting)


def _mixes(node: Node, name: str) -> str | None:
    """Why the images of a batch may not stay apart, by its shapes; None when they do."""
    for constraint in node.constraints:
        if any(constraint.check({name: size}) is False for size in (2, 3)):
            return f"it holds for one batch only, {constraint.reason}"
    before = {_front(value, name) for value in node.operands} - {None}
    for value in node.outputs:
        front = _front(value, name)
        if front is None:
            return f"{value.name} is {value.type}, which does not have the batch in front and nowhere else"
        if front not in before and not isinstance(node.op, (Reshape, Flatten)):
            return f"{value.name} has {front} images in front, what it is made of has not"
    return None


def _front(value: Value, name: str) -> Dim | None:
    """The first dim where that is a multiple of the batch and no other dim holds it."""
    if not isinstance(value.type, TensorType) or not value.type.shape:
        return None
    first, *others = value.type.shape
    if any(name in symbols(dim) for dim in others) or symbols(first) != {name}:
        return None
    return first if first == _at_one(first, name) * parse_dim(name) else None


def _at_one(dim: Dim, name: str) -> Dim:
    """A dim with one symbol put to 1."""
    bindings: Mapping[str, int] = {name: 1}
    return bind_dim(dim, bindings)
