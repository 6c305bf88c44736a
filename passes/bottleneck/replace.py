"""Putting factors in a layer's place. Stride, padding and dilation go to the factor that has the window."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Node, Value
from cnnir.ops import Conv, Gemm, MatMul, Op
from cnnir.passes.bottleneck.factors import Doubles, Kind
from cnnir.passes.bottleneck.ranks import Choice
from cnnir.passes.bottleneck.sites import Factored, Site
from cnnir.rewriter import Rewriter
from cnnir.types import DType
from cnnir.weights import AnyArray, Computed, Weight

NAMES: dict[Kind, tuple[str, ...]] = {
    "svd": ("reduce", "expand"),
    "tucker": ("reduce", "core", "expand"),
    "separable": ("vertical", "horizontal"),
}
"""What the factors are called; the last one keeps the layer's own name."""


class _Factors:
    """The factors at one choice of ranks, made once for all their weights."""

    def __init__(self, factored: Factored, choice: Choice) -> None:
        self.factored = factored
        self.choice = choice

    @cached_property
    def arrays(self) -> tuple[AnyArray, ...]:
        # In the weight's own type: doubles of all layers at once are twice a network.
        dtype = self.factored.weight.dtype
        exact = self.factored.at(self.choice.ranks).factors(self.choice.ranks)
        with np.errstate(over="ignore"):
            made = tuple(factor.astype(dtype.numpy) for factor in exact)
        if not all(np.isfinite(factor).all() for factor in made):
            largest = max(float(np.abs(factor).max(initial=0.0)) for factor in exact)
            raise CnnirError(
                "factor-range", f"the weight is one of {dtype.value}, its factors are beyond that",
                node=self.factored.node, expected="finite factors", got=f"elements up to {largest:.3g}",
                hint="leave this layer out with nodes, or keep its weight in float32",
            )  # fmt: skip
        return made

    def contents(self, index: int, *, columns: bool) -> Callable[[], AnyArray]:
        """Makes one factor's contents."""
        return lambda: self.arrays[index].T if columns else self.arrays[index]

    def bias(self, old: Weight | None, shape: tuple[int, ...]) -> Callable[[], AnyArray]:
        """Makes a bias that keeps the mean of the layer's outputs over the samples what it was."""

        def make() -> AnyArray:
            metric = self.factored.metric
            assert metric is not None  # noqa: S101  without samples the bias stays
            kept = metric.mean
            for factor in self.arrays:
                kept = _constant(factor, kept, self.factored.groups)
            lost = _constant(self.factored.array(), metric.mean, self.factored.groups) - kept
            return np.asarray(lost if old is None else old.array().astype(np.float64) + lost).reshape(shape)

        return make


def _constant(weight: AnyArray, channels: Doubles, groups: int) -> Doubles:
    """What a layer makes of constant channels ``[C]``, away from its padding: ``[K]``."""
    sums = np.asarray(weight, np.float64).reshape(groups, -1, weight.shape[1], *weight.shape[2:])
    sums = sums.reshape(*sums.shape[:3], -1).sum(axis=3)
    return np.asarray((sums @ channels.reshape(groups, -1, 1)).reshape(-1))


class Replacer:
    """Replaces layers of one graph; layers with the same weight and the same choice share the factors' weights."""

    def __init__(self, rewriter: Rewriter) -> None:
        self.rewriter = rewriter
        self._shared: dict[tuple[int, bool, Choice], tuple[Value, ...]] = {}
        self._kept: list[Factored] = []

    def replace(self, site: Site, choice: Choice, factored: Factored) -> list[Node]:
        """Put factors in the place of a layer.

        Returns:
            The factors' nodes in their order; the last is the layer's own node with another op.

        Raises:
            CnnirError: from the rewriter.
        """
        node, graph = site.node, self.rewriter.graph
        factors = _Factors(factored, choice)
        weights = self._weights(site, choice, factored, factors)
        value, bias = node.inputs[0], node.inputs[2] if len(node.inputs) > 2 else None
        if factored.metric is not None and choice.ranks != factored.full:
            bias = self._corrected(site, factors, bias)
        ops = _ops(node.op, choice, len(site.shape) - 2)
        nodes = []
        for name, op, weight in zip(NAMES[choice.kind][:-1], ops[:-1], weights[:-1], strict=True):
            made = self.rewriter.insert(
                op,
                [value, weight],
                before=node,
                name=f"{node.name}_{name}",
                outputs=[graph.fresh_name(f"{node.output.name}_{name}")],
            )
            nodes.append(made)
            value = made.output
        operands = [value, weights[-1]] if bias is None else [value, weights[-1], bias]
        old = [operand for operand in node.inputs[1:] if operand is not None]
        self.rewriter.replace_node(node, ops[-1], operands)
        for operand in old:
            if operand.weight is not None and not operand.uses and not graph.is_output(operand):
                # Listed ones are never here: a layer with such an operand is no site.
                self.rewriter.erase_weight(operand)
        return [*nodes, node]

    def _weights(self, site: Site, choice: Choice, factored: Factored, factors: _Factors) -> tuple[Value, ...]:
        columns = _columns(site, len(NAMES[choice.kind]))
        key = (id(factored), columns[0], choice)
        if key not in self._shared:
            graph, dtype = self.rewriter.graph, factored.weight.dtype
            self._kept.append(factored)  # its id names it as long as it is kept
            self._shared[key] = tuple(
                graph.add_weight(
                    graph.fresh_name(f"{site.weight.name}_{name}"),
                    _weight(dtype, shape, factors.contents(index, columns=columns[index]), columns=columns[index]),
                )
                for index, (name, shape) in enumerate(zip(NAMES[choice.kind], _shapes(choice, site), strict=True))
            )
        return self._shared[key]

    def _corrected(self, site: Site, factors: _Factors, bias: Value | None) -> Value | None:
        """The bias with the mean of what is lost; as it was where there is no place for it."""
        if site.correction is None:
            return bias
        old = None if bias is None else bias.weight
        shape = (site.filters,) if old is None else old.shape
        graph, dtype = self.rewriter.graph, factors.factored.weight.dtype
        name = graph.fresh_name(f"{site.node.name}_bias" if bias is None else f"{bias.name}_centred")
        return graph.add_weight(name, Computed(dtype, shape, factors.bias(old, shape)))


def _weight(dtype: DType, shape: tuple[int, ...], make: Callable[[], AnyArray], *, columns: bool) -> Weight:
    return Computed(dtype, shape[::-1] if columns else shape, make)


def _columns(site: Site, factors: int) -> tuple[bool, ...]:
    """Of which factors the weight is stored as ``[C, K]``: as the layer's own is, and for a matrix product."""
    op = site.node.op
    first = not op.trans_a if isinstance(op, Gemm) and op.trans_b else site.columns
    return (first, *(site.columns for _ in range(factors - 1)))


def _shapes(choice: Choice, site: Site) -> tuple[tuple[int, ...], ...]:
    """Shapes of the factors' weights, ``[filters, channels, *kernel]``, the filters those of all groups."""
    _, channels, *kernel = site.shape
    filters, groups = site.filters, site.groups
    ones = tuple(1 for _ in kernel)
    if choice.kind == "svd":
        (rank,) = choice.ranks
        return (groups * rank, channels, *kernel), (filters, rank, *ones)
    if choice.kind == "separable":
        (rank,) = choice.ranks
        return (groups * rank, channels, kernel[0], 1), (filters, rank, 1, kernel[1])
    inside, outside = choice.ranks
    return (groups * inside, channels, *ones), (groups * outside, inside, *kernel), (filters, outside, *ones)


def _ops(op: Op, choice: Choice, axes: int) -> tuple[Op, ...]:
    """The factors' ops; `axes` is the number of spatial ones."""
    if isinstance(op, Gemm):
        # A matrix product where it serves: below opset 11 a Gemm has to have a bias.
        first = Gemm(trans_a=True, trans_b=op.trans_b) if op.trans_a else MatMul()
        return first, replace(op, trans_a=False)
    if isinstance(op, MatMul):
        return op, op
    assert isinstance(op, Conv)  # noqa: S101
    pointwise = Conv((1,) * axes, (0,) * (2 * axes), (1,) * axes, op.group)
    if choice.kind == "svd":
        return op, pointwise
    if choice.kind == "tucker":
        return pointwise, op, pointwise
    return _along(op, 0), _along(op, 1)


def _along(op: Conv, axis: int) -> Conv:
    """The part of a two-dimensional window that slides along one axis."""
    mine = (axis == 0, axis == 1)
    pads = tuple(pad if keep else 0 for pad, keep in zip(op.pads, (*mine, *mine), strict=True)) if op.pads else op.pads
    return Conv(
        tuple(step if keep else 1 for step, keep in zip(op.strides, mine, strict=True)),
        pads,
        tuple(step if keep else 1 for step, keep in zip(op.dilations, mine, strict=True)),
        op.group,
        auto_pad=op.auto_pad,
    )
