"""The classic per-layer table: output shape, activation memory, weights and multiply-accumulates, row by row.

The data first; `cnnir.reports.text` and `cnnir.reports.html` show it. What is not known is None and has a reason that
names its node, and a total with an unknown part is unknown.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cnnir.analysis import Fields, NodeCosts, ReceptiveField, costs, receptive_fields, total
from cnnir.dims import UNKNOWN, Dim, format_dim, is_known
from cnnir.graph import Graph, Node, Value
from cnnir.reports.describe import describe
from cnnir.reports.sharing import Sharing, share
from cnnir.types import TensorType, Type

SCHEMA = "cnnir.table/1"

ACCOUNTING = (
    (
        "activations: the inputs and every output that takes memory of its own; a result written in place or a view of"
        " another counts once, with what it shares"
    ),
    "forward + backward: twice the activations, each with a gradient of its own size",
    "weights: elements of kernels and matrices; params: those, biases and scales, without running statistics",
    "MACs: multiply-accumulates of convolutions and matrix products; FLOPs are twice as many",
    (
        "field: cells of the input, padding among them, that an element depends on along each axis, over all paths;"
        " stride: how far the fields of neighbours are apart; (all): every element sees the whole input"
    ),
)


@dataclass(frozen=True)
class Row:
    """An input or a node.

    Attributes:
        name: Its name in the graph.
        op: Kind of the op, ``Input`` for an input.
        detail: The op with the attributes that shape the network.
        dtype: Element type of the first output; None when it is no tensor or not known.
        shape: Shape of the first output; None likewise.
        shares: With what it shares its bytes (``in place of conv1``), empty when it takes memory of its own.
        elements: Elements of the outputs that take memory of their own; None when not known.
        bytes: Their size.
        weights: Elements in the role of a weight that it reads first; None when not known.
        biases: Elements in the role of a bias; None when not known.
        params: All parameters; None when not known.
        weight_bytes: Bytes of all constants that it reads first, running statistics and settings too.
        macs: Multiply-accumulates; None when not known.
        reasons: Why something is not known.
        fields: Receptive field of the first output, one for each spatial axis of each input that it depends on.
    """

    name: str
    op: str
    detail: str
    dtype: str | None
    shape: tuple[Dim, ...] | None
    shares: str
    elements: Dim | None
    bytes: Dim | None
    weights: Dim | None = 0
    biases: Dim | None = 0
    params: Dim | None = 0
    weight_bytes: Dim | None = 0
    macs: Dim | None = 0
    reasons: tuple[str, ...] = ()
    fields: Fields = ()

    @property
    def is_silent(self) -> bool:
        """True when it adds nothing to any total: it may stand beside the row before it."""
        return not self.reasons and (self.elements, self.params, self.weight_bytes, self.macs) == (0, 0, 0, 0)


@dataclass(frozen=True)
class Totals:
    """Sums over all rows; None where a row's figure is not known."""

    elements: Dim | None
    bytes: Dim | None
    weights: Dim | None
    biases: Dim | None
    params: Dim | None
    weight_bytes: Dim | None
    macs: Dim | None

    @property
    def training_elements(self) -> Dim | None:
        """Elements of forward and backward pass together: every activation has a gradient."""
        return None if self.elements is None else self.elements * 2

    @property
    def training_bytes(self) -> Dim | None:
        """Bytes of forward and backward pass together."""
        return None if self.bytes is None else self.bytes * 2

    @property
    def known(self) -> bool:
        """False when some sum has an unknown part."""
        figures = (self.elements, self.bytes, self.weights, self.biases, self.params, self.weight_bytes, self.macs)
        return None not in figures


@dataclass(frozen=True)
class Table:
    """The table of one graph.

    Attributes:
        graph: Name of the network.
        rows: Its inputs, then its nodes in their order.
        totals: Sums over the rows.
        constraints: What the symbolic dims must satisfy.
        notes: What a reader should know about the graph.
        accounting: The rules by which the figures were counted.
    """

    graph: str
    rows: tuple[Row, ...]
    totals: Totals
    constraints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    accounting: tuple[str, ...] = ACCOUNTING

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why something is not known, each with its node; a field that is lost is told of once."""
        sizes = [f"{row.name} ({row.op}): {reason}" for row in self.rows for reason in row.reasons]
        lost = [f"receptive fields: {field.reason}" for row in self.rows for field in row.fields if field.reason]
        return (*sizes, *dict.fromkeys(lost))

    def as_json(self) -> dict[str, Any]:
        """The table as ``cnnir.table/1``: ints, or null where no number is known; a formula stands beside it."""
        names = ("elements", "bytes", "weights", "biases", "params", "weight_bytes", "macs")
        totals = ("training_elements", "training_bytes")
        return {
            "schema": SCHEMA,
            "graph": self.graph,
            "rows": [
                {
                    "name": row.name,
                    "op": row.op,
                    "detail": row.detail,
                    "dtype": row.dtype,
                    "shape": None if row.shape is None else [_size(dim) for dim in row.shape],
                    "shares": row.shares or None,
                    **_figures(row, names),
                    "receptive_fields": [_field_json(field) for field in row.fields],
                    "reasons": list(row.reasons),
                }
                for row in self.rows
            ],
            "totals": _figures(self.totals, (*names, *totals)),
            "reasons": list(self.reasons),
            "constraints": list(self.constraints),
            "notes": list(self.notes),
            "accounting": list(self.accounting),
        }

    def to_json(self) -> str:
        """`as_json` as text."""
        return json.dumps(self.as_json(), indent=2) + "\n"

    def __str__(self) -> str:
        from cnnir.reports.text import table_text  # noqa: PLC0415  the text shows tables

        return table_text(self)

    def _repr_html_(self) -> str:
        from cnnir.reports.html import table_html  # noqa: PLC0415  html shows tables

        return table_html(self)


def table(graph: Graph) -> Table:
    """The table of a graph; dims may be symbolic, types unknown."""
    sharing, found, fields = share(graph), costs(graph), receptive_fields(graph)
    rows = [_input_row(value, fields[value]) for value in graph.inputs]
    rows += [
        _node_row(entry, sharing, fields[entry.node.outputs[0]] if entry.node.outputs else ()) for entry in found.nodes
    ]
    totals = Totals(
        total(row.elements for row in rows),
        total(row.bytes for row in rows),
        found.weights,
        found.biases,
        found.params,
        found.weight_bytes,
        found.macs,
    )
    return Table(graph.name, tuple(rows), totals, tuple(map(str, graph.constraints)), tuple(graph.notes))


def _input_row(value: Value, fields: Fields) -> Row:
    elements, size, reasons = _memory([value])
    dtype, shape = _dtype(value.type), _shape(value.type)
    return Row(value.name, "Input", "input", dtype, shape, "", elements, size, reasons=tuple(reasons), fields=fields)


def _node_row(entry: NodeCosts, sharing: Sharing, fields: Fields) -> Row:
    node = entry.node
    elements, size, reasons = _memory([value for value in node.outputs if sharing.opens(value)])
    first = node.outputs[0].type if node.outputs else None
    return Row(
        name=node.name,
        op=node.op.kind,
        detail=describe(node),
        dtype=_dtype(first),
        shape=_shape(first),
        shares=_shares(node, sharing),
        elements=elements,
        bytes=size,
        weights=entry.weights,
        biases=entry.biases,
        params=entry.params,
        weight_bytes=entry.weight_bytes,
        macs=entry.macs,
        reasons=(*reasons, *entry.reasons),
        fields=fields,
    )


def _memory(values: Sequence[Value]) -> tuple[Dim | None, Dim | None, list[str]]:
    """Elements and bytes of values that take memory, and why one is not known."""
    elements: Dim = 0
    size: Dim = 0
    reasons = []
    for value in values:
        known = isinstance(value.type, TensorType)
        elements = elements + (value.type.elements if isinstance(value.type, TensorType) else UNKNOWN)
        size = size + (value.type.bytes if isinstance(value.type, TensorType) else UNKNOWN)
        if not known or UNKNOWN in (elements, size):
            reasons.append(f"the size of {value.name} is not known: its type is {value.type}")
    return _known(elements), _known(size), reasons


def _shares(node: Node, sharing: Sharing) -> str:
    parts = []
    for value in node.outputs:
        if value in sharing.views:
            parts.append(f"view of {node.operands[0].name}")
        elif value in sharing.donations:
            parts.append(f"in place of {sharing.donations[value].name}")
    return ", ".join(dict.fromkeys(parts))


def _dtype(type_: Type | None) -> str | None:
    return type_.dtype.value if isinstance(type_, TensorType) else None


def _shape(type_: Type | None) -> tuple[Dim, ...] | None:
    return type_.shape if isinstance(type_, TensorType) else None


def _known(dim: Dim) -> Dim | None:
    return None if dim == UNKNOWN else dim


def _size(dim: Dim) -> int | str:
    return dim if is_known(dim) else format_dim(dim)


def _field_json(field: ReceptiveField) -> dict[str, Any]:
    """Sizes as in a shape; a stride that is a fraction as a text."""
    stride = field.stride
    return {
        "input": field.input,
        "axis": field.axis,
        "size": None if field.size is None else _size(field.size),
        "stride": None if stride is None else int(stride) if stride.denominator == 1 else str(stride),
        "start": None if field.start is None else _size(field.start),
        "whole": field.whole,
        "reason": field.reason or None,
    }


def _figures(holder: Row | Totals, names: Iterable[str]) -> dict[str, Any]:
    """Figures as ints; one that is not a number yet is null, with its formula, if it has one, under ``formulas``."""
    figures: dict[str, Any] = {}
    formulas: dict[str, str] = {}
    for name in names:
        dim = getattr(holder, name)
        figures[name] = dim if is_known(dim) else None
        if dim is not None and not is_known(dim):
            formulas[name] = format_dim(dim)
    return {**figures, "formulas": formulas} if formulas else figures
