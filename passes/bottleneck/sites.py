"""Where a factorisation applies: the layer's sizes, the kinds that fit it, and what each rank of each kind costs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cnnir.dims import Dim, is_known, product
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Conv, Gemm, MatMul
from cnnir.passes.base import Journal
from cnnir.passes.bottleneck.factors import Decomposition, Kind, Metric, Ranks, decompose, full_ranks
from cnnir.types import TensorType
from cnnir.weights import AnyArray, Weight

Counts = NDArray[np.int64]
"""One number for each rank, or pair of ranks, of a kind."""


@dataclass(frozen=True)
class Factored:
    """A decomposition that is made when it is first asked for, and shared by all who have the same one."""

    kind: Kind
    shape: tuple[int, ...]
    weight: Weight
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
        try:
            return decompose(self.kind, self.array(), self.metric)
        except CnnirError as error:
            raise (error.at(self.node) if self.node is not None else error) from None

    @cached_property
    def full(self) -> Ranks:
        """The ranks at which nothing is lost; known from the shape alone."""
        return full_ranks(self.kind, self.shape)

    def array(self) -> AnyArray:
        """The weight as ``[K, C, *kernel]``."""
        contents = self.weight.array()
        return contents.T if self.columns else contents


@dataclass(frozen=True, eq=False)
class Site:
    """A layer with weights that can be factorised.

    Attributes:
        node: The layer.
        weight: Its weight, among the graph's values.
        shape: ``[K, C, *kernel]``.
        columns: The weight is stored as ``[C, K]``.
        kinds: The factorisations that fit.
        cells_in: Batch times cells of the input map, or rows of the matrix; None when not known.
        cells_between: The same of the map between a vertical and a horizontal window.
        cells_out: The same of the output map.
    """

    node: Node
    weight: Value
    shape: tuple[int, ...]
    columns: bool
    kinds: tuple[Kind, ...]
    cells_in: int | None
    cells_between: int | None
    cells_out: int | None

    @property
    def known(self) -> bool:
        """Whether all sizes are numbers."""
        return None not in (self.cells_in, self.cells_between, self.cells_out)

    @property
    def params(self) -> int:
        """Elements of the weight."""
        return math.prod(self.shape)

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
        grids = _grid(full_ranks(kind, self.shape))
        cells = {"svd": (leave,), "separable": (between,), "tucker": (enter, leave)}[kind]
        return tuple(grid * count for grid, count in zip(grids, cells, strict=True))

    def _parts(self, kind: Kind) -> tuple[Counts, ...]:
        """Elements of each factor's weight at every rank."""
        filters, channels, *kernel = self.shape
        cells, grids = math.prod(kernel), _grid(full_ranks(kind, self.shape))
        if kind == "svd":
            return grids[0] * (channels * cells), grids[0] * filters
        if kind == "separable":
            return grids[0] * (channels * kernel[0]), grids[0] * (filters * kernel[1])
        inside, outside = grids
        return inside * channels, inside * outside * cells, outside * filters

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
        self._made: dict[tuple[Weight, bool, Kind, Metric | None], Factored] = {}

    def of(self, site: Site, kind: Kind) -> Factored:
        """The decomposition of a site's weight."""
        assert site.weight.weight is not None  # noqa: S101  a site is made for a constant weight
        metric = self._metrics.get((site.node.name, kind))
        key = (site.weight.weight, site.columns, kind, metric)
        if key not in self._made:
            self._made[key] = Factored(kind, site.shape, site.weight.weight, site.columns, metric, site.node.label)
        return self._made[key]


def matching(graph: Graph, patterns: str) -> list[Node]:
    """The nodes whose names match one of the glob patterns, which ``|`` separates; all nodes for no pattern.

    Raises:
        CnnirError: ``node-unknown`` for a pattern that no node matches.
    """
    wanted = [pattern.strip() for pattern in patterns.split("|") if pattern.strip()]
    if not wanted:
        return list(graph.nodes)
    for pattern in wanted:
        if not any(fnmatchcase(node.name, pattern) for node in graph.nodes):
            raise CnnirError("node-unknown", "no node has a name that matches the pattern", got=pattern)
    return [node for node in graph.nodes if any(fnmatchcase(node.name, pattern) for pattern in wanted)]


def find_sites(graph: Graph, patterns: str, journal: Journal) -> list[Site]:
    """The layers that can be factorised among the nodes that match; each other layer with weights is refused.

    Raises:
        CnnirError: ``node-unknown`` for a pattern that no node matches.
    """
    sites = []
    for node in matching(graph, patterns):
        if not isinstance(node.op, Conv | Gemm | MatMul):
            if patterns.strip():
                journal.refuse("only Conv, Gemm and MatMul have a weight that falls into factors", [node])
            continue
        reason = _refusal(graph, node)
        if reason is not None:
            journal.refuse(reason, [node])
        else:
            sites.append(_site(node))
    return sites


def _refusal(graph: Graph, node: Node) -> str | None:
    """Why the layer cannot be factorised."""
    operand, data = node.inputs[1], node.inputs[0]
    if operand is None or operand.weight is None:
        return "the second operand is not a constant weight"
    for value in node.operands[1:]:
        if value.name in graph.provenance.listed:
            return f"callers may give {value.name} as an input"
    if not operand.weight.dtype.is_float:
        return f"weights of type {operand.weight.dtype.value} have no factors of that type"
    if 0 in operand.weight.shape:
        return "the weight has no elements"
    if isinstance(node.op, Conv) and node.op.group > 1:
        depthwise = operand.weight.shape[1] == 1
        return (
            "depthwise: each filter sees one channel, there is nothing between channels to factorise"
            if depthwise
            else f"the weight falls into {node.op.group} groups already; factors of one group are not made"
        )
    if isinstance(node.op, MatMul) and (len(operand.weight.shape) != 2 or data is None or not _is_matrix(data)):
        return "a matrix product over batches is no fully connected layer"
    return None


def _is_matrix(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.rank >= 2


def _site(node: Node) -> Site:
    data, weight = node.inputs[0], node.inputs[1]
    assert data is not None  # noqa: S101
    assert weight is not None  # noqa: S101
    assert weight.weight is not None  # noqa: S101
    shape = weight.weight.shape
    output = node.output.type
    assert isinstance(data.type, TensorType)  # noqa: S101
    assert isinstance(output, TensorType)  # noqa: S101
    columns = isinstance(node.op, MatMul) or (isinstance(node.op, Gemm) and not node.op.trans_b)
    if isinstance(node.op, Conv):
        enter, leave = data.type.shape, output.shape
        between = (*leave[:3], *enter[3:]) if len(leave) == 4 else leave
        cells = [_number(product((dims[0], *dims[2:]))) for dims in (enter, between, leave)]
        kinds: list[Kind] = ["svd"]
        if math.prod(shape[2:]) > 1:
            kinds.append("tucker")
        if len(shape) == 4 and min(shape[2:]) > 1:
            kinds.append("separable")
        return Site(node, weight, shape, columns, tuple(kinds), cells[0], cells[1], cells[2])
    rows = _number(product(output.shape[:-1]))
    return Site(node, weight, shape[::-1] if columns else shape, columns, ("svd",), rows, rows, rows)


def _number(dim: Dim) -> int | None:
    return dim if is_known(dim) and dim >= 0 else None


def _grid(full: Ranks) -> tuple[Counts, ...]:
    """Every rank along its own axis: arrays of the shape `full`."""
    return tuple(np.asarray(index, np.int64) + 1 for index in np.indices(full))
