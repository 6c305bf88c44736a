"""Where a factorisation applies: the layer's sizes, the kinds that fit it, and what each rank of each kind costs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cnnir.dims import Dim, is_known, product
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Conv, Gemm, MatMul, Op
from cnnir.passes.base import Journal
from cnnir.passes.bottleneck.factors import Decomposition, Kind, Metric, Ranks, full_ranks
from cnnir.passes.bottleneck.grouped import decompose_groups
from cnnir.passes.bottleneck.select import matching, unlisted
from cnnir.types import TensorType
from cnnir.weights import AnyArray, Weight

Counts = NDArray[np.int64]
"""One number for each rank, or pair of ranks, of a kind."""


@dataclass(frozen=True)
class Factored:
    """A decomposition that is made when it is first asked for, and shared by all who have the same one."""

    kind: Kind
    shape: tuple[int, ...]
    """Of one group's weight."""
    weight: Weight
    groups: int = 1
    columns: bool = False
    """The weight is ``[C, K]``, as a matrix product has it."""
    metric: Metric | None = None
    node: str | None = None
    """The first layer that asked for it, for messages."""

    @cached_property
    def made(self) -> Decomposition:
        """The decomposition.

        Raises:
            CnnirError: from `decompose`, naming the layer.
        """
        return self._decomposed(self.metric, refine=True)

    @cached_property
    def exact(self) -> Decomposition:
        """One that serves at the full rank, and is made sooner."""
        return self._decomposed(None, refine=False)

    def at(self, ranks: Ranks) -> Decomposition:
        """The one to ask for these ranks' error and factors."""
        return self.exact if ranks == self.full and "made" not in vars(self) else self.made

    def _decomposed(self, metric: Metric | None, *, refine: bool) -> Decomposition:
        try:
            return decompose_groups(self.kind, self.array(), self.groups, metric, refine=refine)
        except CnnirError as error:
            raise (error.at(self.node) if self.node is not None else error) from None

    @cached_property
    def full(self) -> Ranks:
        """The ranks at which nothing is lost; known from the shape alone."""
        return full_ranks(self.kind, self.shape)

    def array(self) -> AnyArray:
        """The weight as ``[K, C / groups, *kernel]``."""
        contents = self.weight.array()
        return contents.T if self.columns else contents


@dataclass(frozen=True, eq=False)
class Site:
    """A layer with weights that can be factorised.

    Attributes:
        node: The layer.
        weight: Its weight, among the graph's values.
        shape: ``[K, C, *kernel]``, filters and channels of one group.
        groups: How many groups of such filters there are.
        columns: The weight is stored as ``[C, K]``.
        kinds: The factorisations that fit.
        cells_in: Batch times cells of the input map, or rows of the matrix; None when not known.
        cells_between: The same of the map between a vertical and a horizontal window.
        cells_out: The same of the output map.
        correction: Parameters that a bias adds which makes up for what is lost on average: none where it takes the
            place of one that goes; None where the layer can have no such bias.
        layers: How many layers have this weight and are treated as this one is.
    """

    node: Node
    weight: Value
    shape: tuple[int, ...]
    groups: int
    columns: bool
    kinds: tuple[Kind, ...]
    cells_in: int | None
    cells_between: int | None
    cells_out: int | None
    correction: int | None
    layers: int = 1

    @property
    def filters(self) -> int:
        """Output channels, of all groups."""
        return self.groups * self.shape[0]

    @property
    def known(self) -> bool:
        """Whether all sizes are numbers."""
        return None not in (self.cells_in, self.cells_between, self.cells_out)

    @property
    def params(self) -> int:
        """Elements of the weight."""
        return self.groups * math.prod(self.shape)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the layer.

        Raises:
            CnnirError: ``dims-unbound``.
        """
        return self.params * self._sizes()[2]

    def of(self, clone: Graph) -> "Site":
        """The same site of a clone of the graph."""
        return replace(self, node=clone.node(self.node.name), weight=clone.value(self.weight.name))

    def params_of(self, kind: Kind) -> Counts:
        """Elements of the factors' weights at every rank."""
        return np.asarray(sum(self._parts(kind)))

    def macs_of(self, kind: Kind) -> Counts:
        """Multiply-accumulates of the factors at every rank.

        Raises:
            CnnirError: ``dims-unbound``.
        """
        enter, between, leave = self._sizes()
        cells = {"svd": (leave, leave), "separable": (between, leave), "tucker": (enter, leave, leave)}[kind]
        parts = self._parts(kind)
        return np.asarray(sum(part * count for part, count in zip(parts, cells, strict=True)))

    def between_of(self, kind: Kind) -> tuple[Counts, ...]:
        """Elements of the maps between the factors at every rank.

        Raises:
            CnnirError: ``dims-unbound``.
        """
        enter, between, leave = self._sizes()
        grids = [self.groups * grid for grid in _grid(full_ranks(kind, self.shape))]
        cells = {"svd": (leave,), "separable": (between,), "tucker": (enter, leave)}[kind]
        return tuple(grid * count for grid, count in zip(grids, cells, strict=True))

    def _parts(self, kind: Kind) -> tuple[Counts, ...]:
        """Elements of each factor's weight at every rank."""
        filters, channels, *kernel = self.shape
        cells, grids = math.prod(kernel), _grid(full_ranks(kind, self.shape))
        # In each factor, too, a filter sees the channels of its own group alone.
        first = self.groups * grids[0]
        if kind == "svd":
            return first * (channels * cells), first * filters
        if kind == "separable":
            return first * (channels * kernel[0]), first * (filters * kernel[1])
        outside = grids[1]
        return first * channels, first * outside * cells, outside * (self.groups * filters)

    def _sizes(self) -> tuple[int, int, int]:
        if self.cells_in is None or self.cells_between is None or self.cells_out is None:
            raise CnnirError(
                "dims-unbound", "its costs depend on dims that are not known", node=self.node.label,
                got=self.node.output.type, hint="bind the symbols first, or choose ranks by rank, ratio or energy",
            )  # fmt: skip
        return self.cells_in, self.cells_between, self.cells_out


class Decompositions:
    """The decompositions of a graph's weights, each made once whoever asks."""

    def __init__(self, metrics: Mapping[tuple[str, Kind], Metric] | None = None) -> None:
        self._metrics = metrics or {}
        self._made: dict[tuple[Weight, int, bool, Kind, Metric | None], Factored] = {}

    def metric(self, site: Site, kind: Kind) -> Metric | None:
        """What samples say about a layer, None where nothing is known."""
        return self._metrics.get((site.node.name, kind))

    def of(self, site: Site, kind: Kind) -> Factored:
        """The decomposition of a site's weight."""
        assert site.weight.weight is not None  # noqa: S101  a site is made for a constant weight
        weight, metric = site.weight.weight, self.metric(site, kind)
        key = (weight, site.groups, site.columns, kind, metric)
        if key not in self._made:
            self._made[key] = Factored(kind, site.shape, weight, site.groups, site.columns, metric, site.node.label)
        return self._made[key]


def find_sites(graph: Graph, patterns: str, journal: Journal) -> list[Site]:
    """The layers that can be factorised among the nodes that match; each other layer with weights is refused.

    Raises:
        CnnirError: ``node-unknown`` for a pattern that no node matches, ``option-value`` for an empty one.
    """
    sites = []
    for node in matching(graph, patterns):
        if not isinstance(node.op, Conv | Gemm | MatMul):
            reason = unlisted(
                node, "only Conv, Gemm and MatMul have a weight that falls into factors", named=bool(patterns)
            )
            if reason is not None:
                journal.refuse(reason, [node])
            continue
        reason = _refusal(graph, node)
        if reason is not None:
            journal.refuse(reason, [node])
        else:
            sites.append(_site(graph, node))
    return sites


def _refusal(graph: Graph, node: Node) -> str | None:
    """Why the layer cannot be factorised."""
    operand, data = node.inputs[1], node.inputs[0]
    if operand is None or operand.weight is None:
        return "the second operand is not a constant weight"
    for value in node.operands[1:]:
        if graph.may_be_given(value):
            return f"callers may give {value.name} as an input"
    if not operand.weight.dtype.is_float:
        return f"weights of type {operand.weight.dtype.value} have no factors of that type"
    if 0 in operand.weight.shape:
        return "the weight has no elements"
    if isinstance(node.op, Conv) and not _conv_kinds(_group_shape(node.op, operand.weight.shape), node.op.group):
        return "depthwise: each filter sees one channel, there is nothing between channels to factorise"
    if isinstance(node.op, MatMul) and (len(operand.weight.shape) != 2 or data is None or not _is_matrix(data)):
        return "a matrix product over batches is no fully connected layer"
    return None


def _is_matrix(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.rank >= 2


def _site(graph: Graph, node: Node) -> Site:
    data, weight = node.inputs[0], node.inputs[1]
    assert data is not None  # noqa: S101
    assert weight is not None  # noqa: S101
    assert weight.weight is not None  # noqa: S101
    shape = _group_shape(node.op, weight.weight.shape)
    output = node.output.type
    assert isinstance(data.type, TensorType)  # noqa: S101
    assert isinstance(output, TensorType)  # noqa: S101
    columns = isinstance(node.op, MatMul) or (isinstance(node.op, Gemm) and not node.op.trans_b)
    if isinstance(node.op, Conv):
        enter, leave = data.type.shape, output.shape
        between = (*leave[:3], *enter[3:]) if len(leave) == 4 else leave
        cells = [_number(product((dims[0], *dims[2:]))) for dims in (enter, between, leave)]
        kinds, groups = _conv_kinds(shape, node.op.group), node.op.group
        correction = _correction(graph, node, groups * shape[0])
        return Site(node, weight, shape, groups, columns, kinds, cells[0], cells[1], cells[2], correction)
    rows = _number(product(output.shape[:-1]))
    shape = shape[::-1] if columns else shape
    return Site(node, weight, shape, 1, columns, ("svd",), rows, rows, rows, _correction(graph, node, shape[0]))


def _correction(graph: Graph, node: Node, filters: int) -> int | None:
    """Parameters that a corrected bias adds; None where there is no place for one number for each output."""
    if isinstance(node.op, MatMul) or (isinstance(node.op, Gemm) and (node.op.alpha != 1 or node.op.beta != 1)):
        return None
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None:
        return filters
    shape = () if bias.weight is None else bias.weight.shape
    if shape[-1:] != (filters,) or math.prod(shape) != filters:
        return None
    # Where somebody else reads the old one, it stays beside the new one.
    return filters if len(bias.users) > 1 or graph.is_output(bias) else 0


def _group_shape(op: Op, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one group's weight."""
    return (shape[0] // op.group, *shape[1:]) if isinstance(op, Conv) else shape


def _conv_kinds(shape: tuple[int, ...], groups: int) -> tuple[Kind, ...]:
    """The factorisations that fit a convolution with such filters in each group."""
    kinds: list[Kind] = []
    if groups == 1 or max(shape[:2]) > 1:
        kinds.append("svd")
        if math.prod(shape[2:]) > 1:
            kinds.append("tucker")
    # One filter of one channel still has rows and columns.
    if len(shape) == 4 and min(shape[2:]) > 1:
        kinds.append("separable")
    return tuple(kinds)


def _number(dim: Dim) -> int | None:
    return dim if is_known(dim) and dim >= 0 else None


def _grid(full: Ranks) -> tuple[Counts, ...]:
    """Every rank along its own axis: arrays of the shape `full`."""
    return tuple(np.asarray(index, np.int64) + 1 for index in np.indices(full))
