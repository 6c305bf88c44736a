"""The inverse of a bottleneck: two linear layers in a row are one.

The second convolution reads cell ``u`` of its window at ``s1 * d2 * u`` of the first one's grid, whose window adds
``d1 * v``. So the merged weight at offset ``s1 * d2 * u + d1 * v`` is the sum over such ``(u, v)`` of ``W2[u] W1[v]``,
the strides multiply, and the bias is ``b2 + sum(W2) b1``. Products may leave the range of the weights' type, which is
looked at before anything is merged. Where the second convolution pads, its zeros are not what the
first one would have made there, except along an axis where it is one cell wide, without stride, padding and bias.
"""

import math
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import ClassVar

import numpy as np

from cnnir.analysis.cost import costs
from cnnir.dims import Dim
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Add, BatchNormalization, Conv, Div, Gemm, MatMul, Mul, Sub
from cnnir.passes.base import Journal, Pass
from cnnir.passes.bottleneck.connected import connected_refusal, merged_connected
from cnnir.passes.bottleneck.linear import Merged, contents, doubles, linear_before, unfit
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType
from cnnir.weights import AnyArray, Computed


@dataclass(frozen=True)
class MergeLinear(Pass):
    """Merge adjacent convolutions, or adjacent fully connected layers, without an activation between, where that saves.

    Nothing changes but rounding.
    """

    name: ClassVar[str] = "merge-linear"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        for second in graph.nodes:
            found = linear_before(second)
            if found is None:
                continue
            first, between = found
            reason = _apart(first, second, between) or _refusal(graph, first, second)
            if reason is None:
                reason = _merge(rewriter, journal, first, second)
            if reason is not None:
                journal.refuse(reason, [first, second])


def _apart(first: Node, second: Node, between: tuple[Node, ...]) -> str | None:
    """Why two linear layers are not even of the kind, or at the place, where they could become one."""
    if between:
        kinds = ", ".join(dict.fromkeys(node.op.kind for node in between))
        folded = any(isinstance(node.op, Add | Sub | Mul | Div | BatchNormalization) for node in between)
        hint = "; fold may work that into one of them first" if folded else ""
        return f"{kinds} between the two: only layers right behind one another are merged{hint}"
    for kinds_alike in ((Conv,), (Gemm, MatMul)):
        if isinstance(first.op, kinds_alike) and isinstance(second.op, kinds_alike):
            return None
    return f"{first.op.kind} and {second.op.kind} are not merged: two convolutions are, or two fully connected layers"


def _refusal(graph: Graph, first: Node, second: Node) -> str | None:
    """Why the two cannot become one."""
    between = first.output
    if graph.is_output(between) or len(between.uses) > 1:
        return "what lies between is read by others"
    for node in (first, second):
        if contents(node, 0) is not None:
            return f"{node.label} has its constant on the left: it works along another axis"
        for value in node.inputs[1:]:
            if value is not None and (value.weight is None or not value.weight.dtype.is_float):
                return f"{value.name} is not a constant of floats"
            if value is not None and graph.may_be_given(value):
                return f"callers may give {value.name} as an input"
    if not isinstance(first.op, Conv) or not isinstance(second.op, Conv):
        return connected_refusal(first, second)
    return _conv_refusal(first, first.op, second, second.op)


def _conv_refusal(first: Node, one: Conv, second: Node, two: Conv) -> str | None:
    if one.group > 1 or two.group > 1:
        return "convolutions in groups are not merged"
    if one.auto_pad.startswith("SAME") or two.auto_pad.startswith("SAME"):
        return "padding that depends on the size is not merged"
    weight, pads, bias = contents(first, 1), _pads(two), contents(first, 2)
    assert weight is not None  # noqa: S101
    for axis, kernel in enumerate(weight.shape[2:]):
        own = (kernel - 1, one.strides[axis] - 1, *_pads(one)[axis :: len(one.strides)])
        if any(pads[axis :: len(two.strides)]) and (any(own) or bias is not None):
            return "the second convolution pads with zeros where the first one would have made other numbers"
    return None


def _pads(op: Conv) -> tuple[int, ...]:
    return (0,) * (2 * len(op.strides)) if op.auto_pad == "VALID" else op.pads


def _merge(rewriter: Rewriter, journal: Journal, first: Node, second: Node) -> str | None:
    graph = rewriter.graph
    merged = _conv(first, second) if isinstance(first.op, Conv) else merged_connected(first, second)
    found = costs(graph)
    before = [found.of(node).macs for node in (first, second)]
    assert isinstance(second.output.type, TensorType)  # noqa: S101
    after: Dim = second.output.type.elements * merged.per_output
    if not isinstance(after, int) or not all(isinstance(macs, int) for macs in before):
        return "whether it saves anything depends on dims that are not known"
    total = sum(macs for macs in before if isinstance(macs, int))
    if after >= total:
        return f"one layer would take {after:,} MACs, the two take {total:,}"
    weight = first.inputs[1]
    assert weight is not None  # noqa: S101
    assert weight.weight is not None  # noqa: S101
    dtype = weight.weight.dtype
    if (reason := unfit(merged, dtype)) is not None:
        return reason
    old = [value for node in (first, second) for value in node.inputs[1:] if value is not None]
    name = graph.fresh_name(f"{second.name}_merged.weight")
    operands: list[Value | None] = [
        first.inputs[0],
        graph.add_weight(name, Computed(dtype, merged.shape, merged.weight)),
    ]
    if merged.bias is not None:
        name = graph.fresh_name(f"{second.name}_merged.bias")
        operands.append(graph.add_weight(name, Computed(dtype, (merged.filters,), merged.bias)))
    rewriter.replace_node(second, merged.op, operands)
    journal.change(f"merged into one layer: {total:,} MACs become {after:,}", [first, second])
    journal.count("layers merged")
    rewriter.erase(first)
    for value in dict.fromkeys(old):
        if not value.uses and not graph.is_output(value):
            rewriter.erase_weight(value)
    return None


# Convolutions


def _conv(first: Node, second: Node) -> Merged:
    one, two = first.op, second.op
    assert isinstance(one, Conv)  # noqa: S101
    assert isinstance(two, Conv)  # noqa: S101
    inner, outer = contents(first, 1), contents(second, 1)
    assert inner is not None  # noqa: S101
    assert outer is not None  # noqa: S101
    axes = [
        _Axis.of(one.strides[axis] * two.dilations[axis], outer.shape[axis + 2], one.dilations[axis], size)
        for axis, size in enumerate(inner.shape[2:])
    ]
    shape = (outer.shape[0], inner.shape[1], *(axis.kernel for axis in axes))
    biases = [contents(node, 2) for node in (first, second)]

    def weight() -> AnyArray:
        return _composed(doubles(outer), doubles(inner), axes, shape)

    def bias() -> AnyArray:
        total = np.zeros(shape[0]) if biases[1] is None else doubles(biases[1])
        if biases[0] is not None:
            total = total + doubles(outer).reshape(*outer.shape[:2], -1).sum(axis=2) @ doubles(biases[0])
        return np.asarray(total)

    pads = [mine + theirs for mine, theirs in zip(_pads(one), _pads(two), strict=True)]
    op = Conv(
        tuple(a * b for a, b in zip(one.strides, two.strides, strict=True)),
        tuple(pads),
        tuple(axis.step for axis in axes),
    )
    kept = bias if any(one is not None for one in biases) else None
    return Merged(op, shape, weight, kept, shape[0], math.prod(shape[1:]))


@dataclass(frozen=True)
class _Axis:
    """The merged window along one axis: cells at multiples of `step`, from steps of both windows."""

    outer: int
    inner: int
    step: int
    kernel: int

    @classmethod
    def of(cls, outer_step: int, outer: int, inner_step: int, inner: int) -> "_Axis":
        steps = [step for step, cells in ((outer_step, outer), (inner_step, inner)) if cells > 1]
        step = reduce(math.gcd, steps, 0) or 1
        extent = outer_step * (outer - 1) + inner_step * (inner - 1)
        return cls(outer_step, inner_step, step, extent // step + 1)


def _composed(outer: AnyArray, inner: AnyArray, axes: list[_Axis], shape: tuple[int, ...]) -> AnyArray:
    # The cells in front, so that each is a matrix from channels to filters.
    second, first = (np.moveaxis(weight, (0, 1), (-2, -1)) for weight in (outer, inner))
    result = np.zeros((*shape[2:], *shape[:2]))
    for mine in product(*(range(size) for size in outer.shape[2:])):
        for theirs in product(*(range(size) for size in inner.shape[2:])):
            place = tuple(
                (axis.outer * u + axis.inner * v) // axis.step for axis, u, v in zip(axes, mine, theirs, strict=True)
            )
            result[place] += second[mine] @ first[theirs]
    return np.moveaxis(result, (-2, -1), (0, 1))
