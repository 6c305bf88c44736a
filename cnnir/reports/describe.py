"""A node's op in the words of a network table: ``3x3 conv, 64, stride 2``."""

from collections.abc import Iterable, Sequence
from functools import singledispatch

from cnnir.dims import format_dim
from cnnir.graph import Node
from cnnir.ops import Concat, Conv, ConvTranspose, Gemm, MatMul, Op
from cnnir.ops.pooling import Pool
from cnnir.types import TensorType


def describe(node: Node) -> str:
    """The op with those attributes that shape the network; the bare name of an op that has none."""
    return _describe(node.op, node)


@singledispatch
def _describe(op: Op, node: Node) -> str:
    return op.kind


@_describe.register
def _(op: Conv, node: Node) -> str:
    weight = _shape(node, 1)
    return _parts(
        f"{_by(weight[2:])} Conv, {weight[0]}",
        _unless_ones("stride", op.strides),
        _unless_ones("dilation", op.dilations),
        f"{op.group} groups" if op.group != 1 else "",
    )


@_describe.register
def _(op: ConvTranspose, node: Node) -> str:
    weight = _shape(node, 1)
    return _parts(f"{_by(weight[2:])} ConvTranspose", _unless_ones("stride", op.strides))


@_describe.register
def _(op: Pool, node: Node) -> str:
    return _parts(f"{_by(map(str, op.kernel_shape))} {op.kind}", _unless_ones("stride", op.strides))


@_describe.register
def _(op: Gemm, node: Node) -> str:
    return f"Gemm, {_shape(node, 1)[0 if op.trans_b else 1]}"


@_describe.register
def _(op: MatMul, node: Node) -> str:
    return f"MatMul, {_shape(node, 1)[-1]}"


@_describe.register
def _(op: Concat, node: Node) -> str:
    return f"Concat of {len(node.inputs)}"


def _shape(node: Node, index: int) -> list[str]:
    value = node.inputs[index]
    if value is None or not isinstance(value.type, TensorType):
        return ["?", "?"]
    return [format_dim(dim) for dim in value.type.shape]


def _by(sizes: Iterable[str]) -> str:
    return "x".join(sizes)


def _unless_ones(word: str, sizes: Sequence[int]) -> str:
    if all(size == 1 for size in sizes):
        return ""
    same = len(set(sizes)) == 1
    return f"{word} {sizes[0] if same else _by(map(str, sizes))}"


def _parts(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
