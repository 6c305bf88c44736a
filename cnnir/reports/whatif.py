"""What a network would take at other sizes, batches and element types: a grid of figures, or why there is none.

Each case is worked out, not scaled: the size and the batch are set by the passes of that name, and the memory is
planned anew. An element type is put in the place of the network's floats for the bytes alone; whether the network is
still accurate in it is another question.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cnnir.dims import Dim, format_dim, is_known, symbols
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.reports.table import ACCOUNTING, table
from cnnir.types import DType, TensorType

SCHEMA = "cnnir.whatif/1"

_HEADS = ("fc-to-conv{keep_interface=false}", "fold,fc-to-conv{keep_interface=false}")
"""Rewrites that make a network take other sizes, the plainest first."""


_AXES = ("H", "W")
"""How a formula names height and width."""

_OWN: Sequence[None] = (None,)
"""What is asked for where nothing is: the network's own."""


@dataclass(frozen=True)
class Case:
    """One size, batch and element type.

    Attributes:
        size: ``HxW`` as asked for; None for the network's own.
        batch: As asked for; None for the network's own.
        dtype: Of the activations; None for the network's own.
        elements: Elements of the activations, summed over the layers; None when not known.
        bytes: Their size; None likewise.
        arena_bytes: Height of the planned arena; None likewise.
        lower_bound: Below which no placement of this order gets; None likewise.
        macs: Multiply-accumulates; None likewise.
        reason: Why a figure is missing, with the node; empty when none is.
        remedy: What would help; empty when nothing is known that would.
    """

    size: str | None
    batch: str | None
    dtype: str | None
    elements: int | None = None
    bytes: int | None = None
    arena_bytes: int | None = None
    lower_bound: int | None = None
    macs: int | None = None
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Formula:
    """A network's figures for any height H and width W.

    Attributes:
        elements: Elements of the activations.
        bytes: Their size.
        macs: Multiply-accumulates.
        holds_for: What H and W must satisfy.
    """

    elements: str
    bytes: str
    macs: str
    holds_for: tuple[str, ...]


@dataclass(frozen=True)
class WhatIf:
    """The grid for one network.

    Attributes:
        graph: Its name.
        cases: Sizes first, batches within them, element types within those.
        formula: For any height and width; None where the network does not take any.
        no_formula: Why there is none; empty when there is one.
        accounting: The rules by which the figures were counted.
    """

    graph: str
    cases: tuple[Case, ...]
    formula: Formula | None
    no_formula: str
    accounting: tuple[str, ...] = (
        ACCOUNTING[0],
        "peak: the planned arena in the file's order; weights and the kernels' own workspace are not counted",
        "MACs: multiply-accumulates of convolutions and matrix products",
    )

    def as_json(self) -> dict[str, Any]:
        """The grid as ``cnnir.whatif/1``."""
        return {"schema": SCHEMA, **asdict(self)}

    def to_json(self) -> str:
        """`as_json` as text."""
        return json.dumps(self.as_json(), indent=2) + "\n"

    def __str__(self) -> str:
        from cnnir.reports.grid import whatif_text  # noqa: PLC0415  the text shows the grid

        return whatif_text(self)


def whatif(
    graph: Graph,
    *,
    sizes: Sequence[str] = (),
    batches: Sequence[int | str] = (),
    dtypes: Sequence[DType | str] = (),
) -> WhatIf:
    """Figures of a network for every combination.

    Args:
        graph: Left as it is.
        sizes: ``HxW`` of its one image; its own when there are none.
        batches: Likewise.
        dtypes: Element types of the activations, likewise.

    Raises:
        CnnirError: ``dtype-unknown`` for what is no element type of whole bytes; ``size`` and ``dim-syntax`` for what
            is no size. What a network cannot take is no error: its case says why.
    """
    chosen = [_dtype(dtype) for dtype in dtypes] or _OWN
    cases: list[Case] = []
    for size in sizes or _OWN:
        sized = _attempt(graph, "set-size", size=size)
        if isinstance(sized, CnnirError):
            cases += _refused(size, batches or _OWN, chosen, sized, _remedy(graph, size, sized))
            continue
        for batch in batches or _OWN:
            batched = _attempt(sized, "set-batch", batch=_text(batch))
            if isinstance(batched, CnnirError):
                cases += _refused(size, [batch], chosen, batched, batched.hint or "")
            else:
                cases += _figures(batched, size, batch, chosen)
    formula, why = _formula(graph)
    return WhatIf(graph.name, tuple(cases), formula, why)


def _dtype(dtype: DType | str) -> DType:
    """An element type whose elements have addresses."""
    known = [each.value for each in DType if (each.is_float or each.is_integer) and (each.bits or 0) % 8 == 0]
    name = dtype.value if isinstance(dtype, DType) else dtype
    if name not in known:
        raise CnnirError("dtype-unknown", "no such element type", expected=", ".join(known), got=name)
    return DType(name)


def _attempt(graph: Graph, name: str, **options: str | None) -> Graph | CnnirError:
    """The graph after a pass, or why it cannot be; the graph itself where no option is given."""
    if None in options.values():
        return graph
    try:
        return graph.apply(name, **options).graph
    except CnnirError as error:
        if error.code in ("size", "dim-syntax", "dim-negative", "batch-symbol"):
            raise  # the question makes no sense, whatever the network
        return error


def _refused(
    size: str | None,
    batches: Sequence[int | str | None],
    dtypes: Sequence[DType | None],
    why: CnnirError,
    remedy: str,
) -> Iterator[Case]:
    why.hint = None  # the remedy has it, or a better one
    for batch in batches:
        for dtype in dtypes:
            yield Case(size, _text(batch), dtype and dtype.value, reason=str(why), remedy=remedy)


def _figures(graph: Graph, size: str | None, batch: int | str | None, dtypes: Sequence[DType | None]) -> Iterator[Case]:
    """A sized and batched network in each element type."""
    for dtype in dtypes:
        named = (size, _text(batch), dtype and dtype.value)
        typed = graph if dtype is None else _in_place_of_floats(graph, dtype)
        found = table(typed)
        totals = found.totals
        try:
            plan = typed.plan()
        except CnnirError as error:
            if error.code not in ("size-unknown", "dims-unbound"):
                raise
            hint = error.hint or ""
            error.hint = None
            yield Case(*named, _known(totals.elements), _known(totals.bytes), macs=_known(totals.macs),
                       reason=str(error), remedy=hint)  # fmt: skip
            continue
        yield Case(
            *named, _known(totals.elements), _known(totals.bytes), plan.arena_bytes, plan.lower_bound,
            _known(totals.macs), "; ".join(found.reasons),
        )  # fmt: skip


def _in_place_of_floats(graph: Graph, dtype: DType) -> Graph:
    """The network with that element type wherever an activation holds floats: for its bytes alone."""
    result = graph.clone()
    for value in result.values:
        if value.weight is None and isinstance(value.type, TensorType) and value.type.dtype.is_float:
            value.type = TensorType(dtype, value.type.shape)
    return result


def _remedy(graph: Graph, size: str | None, problem: CnnirError) -> str:
    """What makes the network take the size: a rewrite of its head, tried; else what the error says."""
    for pipeline in _HEADS:
        try:
            graph.apply(pipeline).graph.apply("set-size", size=size)
        except CnnirError:
            continue
        return f"{pipeline} makes it take this size"
    return problem.hint or ""


def _formula(graph: Graph) -> tuple[Formula | None, str]:
    """Figures for any height and width, where the network takes any."""
    try:
        sized = graph if _image_sizes(graph) == _AXES else graph.apply("set-size", size="HxW").graph
    except CnnirError as error:
        return None, str(error)
    taken = [name for name in _AXES if name in _other_symbols(sized)]
    if taken:
        return None, f"{' and '.join(taken)} {'stand' if len(taken) > 1 else 'stands'} for another size of the inputs"
    for constraint in sized.constraints:
        if constraint.kind == "==":
            return None, f"{constraint.node}: {constraint.reason}: it takes sizes with {constraint} alone"
    found = table(sized)
    totals = found.totals
    if totals.elements is None or totals.bytes is None or totals.macs is None:
        return None, "; ".join(found.reasons)
    texts = (format_dim(totals.elements), format_dim(totals.bytes), format_dim(totals.macs))
    return Formula(*texts, tuple(map(str, sized.constraints))), ""


def _image_sizes(graph: Graph) -> tuple[str, ...]:
    """Height and width of the one image, as they are printed; nothing where there is none, or several."""
    images = [value.type.shape for value in graph.inputs if isinstance(value.type, TensorType) and value.type.rank == 4]
    return tuple(map(format_dim, images[0][2:])) if len(images) == 1 else ()


def _other_symbols(graph: Graph) -> set[str]:
    """Symbols of the inputs' dims that are no image's height or width."""
    shapes = [value.type.shape for value in graph.inputs if isinstance(value.type, TensorType)]
    dims = [dim for shape in shapes for dim in (shape[:2] if len(shape) == 4 else shape)]
    return {name for dim in dims for name in symbols(dim)}


def _known(dim: Dim | None) -> int | None:
    return dim if dim is not None and is_known(dim) else None


def _text(number: int | str | None) -> str | None:
    return None if number is None else str(number)
