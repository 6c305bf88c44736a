"""From a graph to a pattern, where the graph is one.

A pattern is series-parallel: chains, and forks whose branches meet again in one join. Names and weights are no part of
it. What cannot be said in the notation is refused by name.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch

from cnnir.dims import format_dim
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import (
    LRN,
    Add,
    AveragePool,
    BatchNormalization,
    Clip,
    Concat,
    Conv,
    ConvTranspose,
    Dropout,
    Flatten,
    Gemm,
    GlobalAveragePool,
    HardSigmoid,
    HardSwish,
    Identity,
    LeakyRelu,
    MaxPool,
    Mul,
    Op,
    Relu,
    Reshape,
    Resize,
    Sigmoid,
    Softmax,
    Sum,
    Tanh,
    Transpose,
)
from cnnir.ops.base import single
from cnnir.ops.pooling import Pool
from cnnir.types import DType, TensorType
from cnnir.zoo.pattern.shorten import shorten
from cnnir.zoo.pattern.syntax import Branches, Chain, Item, Layer, Number, Pattern, Setting

Options = tuple[tuple[str, Setting], ...]

_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A size that the notation can name; in a shape an ``x`` would part it."""

_JOINS: dict[type[Op], str] = {Add: "add", Concat: "concat", Mul: "mul", Sum: "sum"}


def to_pattern(graph: Graph) -> str:
    """The graph in the notation; `from_pattern` of the text gives the same layers with the same shapes.

    Raises:
        CnnirError: ``pattern-none`` naming the node that the notation has no word for, or a join of branches that do
            not meet again.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        counts = f"{len(graph.inputs)} and {len(graph.outputs)}"
        raise CnnirError("pattern-none", "a pattern has one input and one output", node=graph.name, got=counts)
    (image,) = graph.inputs
    items, end = _Reading(graph).chain(image)
    if end is not None:
        raise _none(end.join, "its operands do not come from one fork")
    return str(Pattern(Chain(shorten([_input(image), *_plain(items)])), {}))


@dataclass(frozen=True)
class _End:
    """Where a branch ends: at an operand of a join, with the items on the way."""

    join: Node
    operand: int
    items: tuple[Item, ...] = ()


class _Reading:
    """One graph, read from its input on."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def chain(self, value: Value) -> tuple[list[Item], _End | None]:
        """What follows a value up to a join that it does not make itself, or up to the graph's output."""
        items: list[Item] = []
        while True:
            uses = value.uses
            if self.graph.is_output(value):
                if uses:
                    raise _none(uses[0][0], f"{value.name} is an output already")
                return items, None
            if not uses:
                raise CnnirError("pattern-none", "nothing reads the value", node=value.name)
            (node, operand), *others = uses
            if others:
                fork, value = self._fork(value)
                items.append(fork)
                continue
            if _is_join(node):
                return items, _End(node, operand)
            layer, value = _shuffle(node) or (_layer(node), _only(node))
            items.append(layer)

    def _fork(self, value: Value) -> tuple[Item, Value]:
        """The branches that begin with a value, and what their join makes."""
        ends = [self._branch(node, operand) for node, operand in value.uses]
        while True:
            join = next((end.join for end in ends if _is_full(end.join, ends)), None)
            if join is None:
                raise _none(ends[0].join, f"the branches that part at {value.name} do not meet in one join")
            inner = sorted((end for end in ends if end.join is join), key=lambda end: end.operand)
            branches = Branches(tuple(_branch(end.items) for end in inner), _JOINS[type(join.op)])
            ends = [end for end in ends if end.join is not join]
            if not ends:
                return _swish(branches), _only(join)
            # A join of some of the branches is a layer of a branch of the whole.
            items, end = self.chain(_only(join))
            if end is None:
                raise _none(join, f"the branches that part at {value.name} do not meet in one join")
            ends.append(_End(end.join, end.operand, (_swish(branches), *items)))

    def _branch(self, node: Node, operand: int) -> _End:
        if _is_join(node):
            return _End(node, operand)
        layer, value = _shuffle(node) or (_layer(node), _only(node))
        items, end = self.chain(value)
        if end is None:
            raise _none(node, "a branch ends in the graph's output")
        return _End(end.join, end.operand, (layer, *items))


def _branch(items: Sequence[Item]) -> Chain:
    plain = _plain(items)
    return Chain(shorten(plain) if plain else (Layer("IDENTITY"),))


def _plain(items: Sequence[Item]) -> list[Item]:
    """The items without what the notation does not say: identities, and the Flatten before a fully connected layer."""
    kept: list[Item] = []
    for item in items:
        if isinstance(item, Layer) and item.word == "FC" and kept[-1:] == [Layer("FLATTEN")]:
            kept.pop()
        if item != Layer("IDENTITY"):
            kept.append(item)
    return kept


def _is_join(node: Node) -> bool:
    """True for a node that brings several values together; a constant operand is none of them."""
    if isinstance(node.op, Concat) and node.op.axis != 1:
        return False  # the notation puts channels side by side, nothing else
    return type(node.op) in _JOINS and sum(value.weight is None for value in node.operands) > 1


def _is_full(join: Node, ends: Sequence[_End]) -> bool:
    return sorted(end.operand for end in ends if end.join is join) == list(range(len(join.inputs)))


def _swish(branches: Branches) -> Item:
    gated = Branches((Chain((Layer("IDENTITY"),)), Chain((Layer("SIGMOID"),))), "mul")
    return Layer("SWISH") if branches == gated else branches


def _shuffle(node: Node) -> tuple[Layer, Value] | None:
    """The three nodes of a channel shuffle, and what they make."""
    if not isinstance(node.op, Reshape):
        return None
    chain = [node]
    while len(chain) < 3 and len(_only(chain[-1]).uses) == 1:
        chain.append(_only(chain[-1]).users[0])
    shapes = [value.type.shape if isinstance(value.type, TensorType) else () for value in map(_only, chain)]
    start = node.operands[0].type
    if len(chain) < 3 or not isinstance(start, TensorType) or len(shapes[0]) != 5:
        return None
    groups = shapes[0][1]
    turned = isinstance(chain[1].op, Transpose) and chain[1].op.permutation == (0, 2, 1, 3, 4)
    whole = shapes[0][0] == start.shape[0] and shapes[0][3:] == start.shape[2:] and shapes[2] == start.shape
    if not turned or not whole or not isinstance(chain[2].op, Reshape) or not isinstance(groups, int):
        return None
    return Layer("SHUFFLE", (groups,)), _only(chain[2])


def _input(image: Value) -> Layer:
    """``INPUT[224x224x3]``."""
    if not isinstance(image.type, TensorType) or image.type.rank != 4 or image.type.dtype is not DType.FLOAT32:
        message, wanted = "the input of a pattern is an image", "float32[N, C, H, W]"
        raise CnnirError("pattern-none", message, node=image.name, expected=wanted, got=image.type)
    batch, channels, height, width = (dim if isinstance(dim, int) else format_dim(dim) for dim in image.type.shape)
    options: Options = () if batch == 1 else (("batch", batch),)
    shape: tuple[Number, ...] = (height, width, channels)
    symbols = [size for size in (batch, *shape) if isinstance(size, str)]
    if not all(map(_SYMBOL.fullmatch, symbols)) or any("x" in str(size).lower() for size in shape):
        raise CnnirError("pattern-none", "sizes of the input are numbers or symbols", node=image.name, got=image.type)
    return Layer("INPUT", shape=shape, options=options)


def _none(node: Node, why: str) -> CnnirError:
    return CnnirError("pattern-none", f"the graph is no pattern: {why}", node=node.label)


def _only(node: Node) -> Value:
    if len(node.outputs) != 1:
        raise _none(node, "it has several outputs")
    return node.output


def _layer(node: Node) -> Layer:
    """The node as a word."""
    data, *others = node.operands
    if data.weight is not None or any(value.weight is None for value in others):
        raise _none(node, "an operand stands where the notation has a weight")
    layer = _word(node.op, node)
    if layer is None:
        raise _none(node, "the notation has no word for it")
    for name, setting in layer.options:
        if isinstance(setting, float | int) and not 0 <= setting < math.inf:
            raise _none(node, f"the notation writes no {name or 'number'} of {setting}")
    return layer


@singledispatch
def _word(op: Op, node: Node) -> Layer | None:
    return None


@_word.register
def _(op: Conv, node: Node) -> Layer | None:
    weight, channels = _shape(node, 1), _shape(node, 0)[1:2]
    if len(weight) != 4 or op.auto_pad != "NOTSET":
        return None
    filters, size = weight[0], weight[2:]
    depthwise = op.group > 1 and channels == (op.group,)
    options = [
        *_padding(op.pads, tuple(d * (k - 1) for k, d in zip(size, op.dilations, strict=True))),
        *([("dilation", _one(_sizes(op.dilations)))] if max(op.dilations) > 1 else []),
        *([("groups", op.group)] if op.group > 1 and not depthwise else []),
        *_nobias(node),
    ]
    stride = _sizes(op.strides) if max(op.strides) > 1 else ()
    shown = None if depthwise and filters == op.group else filters
    return Layer("DWCONV" if depthwise else "CONV", _sizes(size), shown, stride, tuple(options))


@_word.register
def _(op: ConvTranspose, node: Node) -> Layer | None:
    weight = _shape(node, 1)
    plain = ConvTranspose(op.strides, (0, 0, 0, 0), (1, 1), (0, 0))
    if op != plain or len(weight) != 4:
        return None
    stride = () if op.strides == weight[2:] else _sizes(op.strides)
    return Layer("DECONV", _sizes(weight[2:]), weight[1], stride, tuple(_nobias(node)))


@_word.register
def _(op: Gemm, node: Node) -> Layer | None:
    bias = _shape(node, 2) if len(node.inputs) > 2 and node.inputs[2] is not None else None
    outputs = _shape(node, 1)[:1]
    if op != Gemm(trans_b=True) or bias not in (None, outputs):
        return None
    return Layer("FC", filters=outputs[0], options=tuple(_nobias(node)))


@_word.register(MaxPool)
@_word.register(AveragePool)
def _(op: Pool, node: Node) -> Layer | None:
    if len(op.kernel_shape) != 2 or op.auto_pad != "NOTSET" or op.dilations:
        return None
    if isinstance(op, MaxPool) and (op.with_indices or op.storage_order):
        return None
    options: list[tuple[str, Setting]] = [("pad", _pads(op.pads))] if any(op.pads) else []
    options += [("ceil", True)] if op.ceil_mode else []
    options += [("countpad", True)] if isinstance(op, AveragePool) and op.count_include_pad else []
    stride = () if op.strides == op.kernel_shape else _sizes(op.strides)
    return Layer(
        "POOL" if isinstance(op, MaxPool) else "AVGPOOL", _sizes(op.kernel_shape), None, stride, tuple(options)
    )


@_word.register
def _(op: BatchNormalization, node: Node) -> Layer | None:
    return Layer("BN", options=() if op.epsilon == single(1e-5) else (("eps", _short(op.epsilon)),))


@_word.register
def _(op: LRN, node: Node) -> Layer | None:
    settings = (("alpha", op.alpha, 1e-4), ("beta", op.beta, 0.75), ("k", op.bias, 1.0))
    given = tuple((name, _short(value)) for name, value, usual in settings if value != single(usual))
    return Layer("LRN", (op.size,), options=given)


@_word.register
def _(op: Clip, node: Node) -> Layer | None:
    return Layer("RELU", (6,)) if op == Clip(0.0, 6.0) else None


@_word.register
def _(op: LeakyRelu, node: Node) -> Layer | None:
    return Layer("LEAKY", options=(("", _short(op.alpha)),))


@_word.register
def _(op: HardSigmoid, node: Node) -> Layer | None:
    return Layer("HSIGMOID") if op == HardSigmoid(alpha=1 / 6) else None


@_word.register
def _(op: Softmax, node: Node) -> Layer | None:
    # Over more axes it is the same where those have one cell.
    alone = all(size == 1 for axis, size in enumerate(_shape(node, 0)) if axis in op.axes[1:])
    return Layer("SOFTMAX") if op.axes[0] == 1 and alone else None


@_word.register
def _(op: Dropout, node: Node) -> Layer | None:
    if op.with_mask:
        return None
    return Layer("DROPOUT", options=() if op.ratio == single(0.5) else (("", _short(op.ratio)),))


@_word.register
def _(op: Flatten, node: Node) -> Layer | None:
    return Layer("FLATTEN") if op.axis == 1 and len(_shape(node, 0)) > 2 else None


@_word.register
def _(op: Reshape, node: Node) -> Layer | None:
    data, made = node.operands[0].type, _only(node).type
    if data == made:
        return Layer("IDENTITY")
    if not isinstance(data, TensorType) or not isinstance(made, TensorType) or data.rank < 3 or made.rank != 2:
        return None
    return Layer("FLATTEN") if data.shape[0] == made.shape[0] else None


@_word.register
def _(op: Resize, node: Node) -> Layer | None:
    scale = int(op.scales[-1]) if op.scales else 0
    plain = Resize(
        scales=(1.0, 1.0, float(scale), float(scale)), mode="nearest", coordinates="asymmetric", rounding="floor"
    )
    return Layer("UP", (scale,)) if scale > 0 and op == plain else None


def _bare(word: str) -> Callable[[Op, Node], Layer | None]:
    return lambda _op, _node: Layer(word)


for _op, _name in {
    GlobalAveragePool: "GAP", HardSwish: "HSWISH", Identity: "IDENTITY", Relu: "RELU", Sigmoid: "SIGMOID", Tanh: "TANH",
}.items():  # fmt: skip
    _word.register(_op, _bare(_name))


def _shape(node: Node, index: int) -> tuple[int, ...]:
    """Shape of an operand whose dims are numbers; a symbol stands as -1."""
    value = node.inputs[index]
    shape = value.type.shape if value is not None and isinstance(value.type, TensorType) else ()
    return tuple(dim if isinstance(dim, int) else -1 for dim in shape)


def _sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """One number where both are equal."""
    return tuple(sizes[:1]) if len(set(sizes)) == 1 else tuple(sizes)


def _padding(pads: tuple[int, ...], extents: tuple[int, ...]) -> list[tuple[str, Setting]]:
    """The padding of a convolution, unless it is the one that keeps the map's size."""
    keeps = all(extent % 2 == 0 for extent in extents) and pads == tuple(extent // 2 for extent in extents) * 2
    return [] if keeps else [("pad", _pads(pads))]


def _pads(pads: tuple[int, ...]) -> int | tuple[int, ...]:
    return _one(_sizes(pads[:2]) if pads[:2] == pads[2:] else pads)


def _one(sizes: tuple[int, ...]) -> int | tuple[int, ...]:
    return sizes[0] if len(sizes) == 1 else sizes


def _nobias(node: Node) -> list[tuple[str, Setting]]:
    return [] if len(node.inputs) > 2 and node.inputs[2] is not None else [("nobias", True)]


def _short(number: float) -> float:
    """The shortest decimal that gives the same number of single precision."""
    if not math.isfinite(number):
        return number
    decimals = (float(f"{number:.{digits}g}") for digits in range(1, 18))
    return next(int(decimal) if decimal.is_integer() else decimal for decimal in decimals if single(decimal) == number)
