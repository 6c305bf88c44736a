"""By which algorithms a step is computed where maps have their channels innermost."""

import math
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any

from cnnir.algorithms.base import Call, Tensor
from cnnir.algorithms.channels_last.blocks import filters_of_block
from cnnir.algorithms.channels_last.columns import Columns
from cnnir.algorithms.channels_last.depthwise import Depthwise, DepthwiseSums
from cnnir.algorithms.channels_last.epilogues import ELEMENTWISE, strips, temporaries
from cnnir.algorithms.channels_last.lrn import Neighbours
from cnnir.algorithms.channels_last.pointwise import Pointwise
from cnnir.algorithms.channels_last.pooling import Pooling
from cnnir.algorithms.channels_last.sizes import Layer, Shape, lines
from cnnir.algorithms.channels_last.winograd import Tiles
from cnnir.algorithms.ways.base import Kind, Way, Work
from cnnir.algorithms.ways.winograd import FEW_CHANNELS, MEASURED_CHANNELS, VARIANTS
from cnnir.graph import Node, Value
from cnnir.ops import (
    LRN,
    AveragePool,
    BatchNormalization,
    Concat,
    Conv,
    Flatten,
    Gemm,
    GlobalAveragePool,
    GlobalMaxPool,
    MatMul,
    MaxPool,
    Reshape,
    Slice,
    Softmax,
    Split,
    Squeeze,
    Transpose,
    Unsqueeze,
)
from cnnir.ops.base import Op
from cnnir.ops.rules import RuleTable
from cnnir.types import DType

STRIPS = (32_000, 128_000, 512_000, 2_000_000)
"""Bytes that a strip may take: what fits into the caches of the first, the second and the third level."""


CACHED = 256_000
"""Bytes of rows on which several calls work one after the other: some of these fit into a second-level cache."""


WHOLE = 1 << 62
"""Rows that are finished at a time by what does not work in rows."""

Offer = tuple[str, int, Work, tuple[tuple[str, int], ...], int, float, int]
"""Algorithm, scratch, work, parameters, bytes of weights, error, and rows that are finished at a time."""

offers: RuleTable[Callable[[Any, Call], Iterator[Offer]]] = RuleTable("rule of the algorithms, channels innermost")


def step_ways(nodes: Sequence[Node], stored: Container[Value]) -> tuple[Way, ...] | None:
    """The ways to compute a step: what its first node makes by an algorithm, and the rest applied to it.

    Args:
        nodes: In their order.
        stored: The values that the step leaves.

    Returns:
        None for a step that is not computed so.
    """
    head, *epilogue = nodes
    if len(head.outputs) != 1 and isinstance(head.op, Split) and not epilogue:
        return tuple(_way(offer, head.outputs[0], (), Call.of(head)) for offer in offers[Split](head.op, Call.of(head)))
    if any(len(node.outputs) != 1 for node in nodes) or epilogue_is_foreign(nodes):
        return None
    if not all(map(has_fixed_weights, nodes)):
        return None
    call = Call.of(head)
    if not _is_map(call) or not all(node.output not in stored for node in nodes[:-1]):
        return None
    if isinstance(head.op, ELEMENTWISE):
        return tuple(_elementwise(nodes, call))
    rule = offers.find(type(head.op))
    if rule is None:
        return None
    return tuple(_way(offer, head.output, epilogue, call) for offer in rule(head.op, call))


def has_fixed_weights(node: Node) -> bool:
    """Whether what an algorithm puts into a form of its own, once for all runs, is not computed in each of them."""
    if isinstance(node.op, Conv | BatchNormalization):
        formed = node.inputs[1:]
    else:
        formed = node.inputs[2:] if isinstance(node.op, Gemm) and node.op.beta != 1.0 else ()
    return all(value is None or value.weight is not None for value in formed)


def epilogue_is_foreign(nodes: Sequence[Node]) -> bool:
    """Whether what follows the first node is not applied to its result element by element."""
    made = {nodes[0].output}
    for node in nodes[1:]:
        if not isinstance(node.op, ELEMENTWISE) or made.isdisjoint(node.operands):
            return True
        made.add(node.output)
    return False


def _is_map(call: Call) -> bool:
    tensors = (*call.present[:1], call.output)
    return all(tensor.dtype in (DType.FLOAT32, DType.FLOAT64) and tensor.elements for tensor in tensors)


def _way(offer: Offer, head: Value, epilogue: Sequence[Node], call: Call) -> Way:
    algorithm, scratch, work, parameters, weight_bytes, error, rows = offer
    out = call.output
    count = strips(head, epilogue)
    if count:
        scratch += count * lines((part_of(out.shape, rows),), out.itemsize)
    extra: Work = tuple(
        (kind, amount + len(epilogue) * out.elements if kind == "element" else amount) for kind, amount in work
    )
    return Way(algorithm, scratch, extra, parameters, weight_bytes, error, runs=True)


def part_of(shape: Shape, rows: int) -> Shape:
    """The shape of so many rows of one image; all of what is no map, or not worked on in rows."""
    return (1, shape[1], min(rows, shape[2]), *shape[3:]) if len(shape) == 4 and rows < WHOLE else shape


def _elementwise(nodes: Sequence[Node], call: Call) -> Iterator[Way]:
    """So many rows that the second-level cache holds them from one node to the next; all of what is no map."""
    out = call.output
    count = strips(nodes[0].output, nodes[1:]) + temporaries(nodes[0].op)
    work: Work = (("element", 2 * len(nodes) * out.elements), ("call", 2 * len(nodes)))
    heights = [out.shape[2] if len(out.shape) > 2 else 1]
    if len(out.shape) == 4:
        row = out.itemsize * out.shape[1] * out.shape[3]
        heights = _rows(out, row) if count else even_parts(out.shape[2], [CACHED // max(row, 1)])
    for rows in heights:
        scratch = count * lines((part_of(out.shape, rows),), out.itemsize)
        yield Way("elementwise", scratch, work, (("rows", rows),), runs=True)


def _rows(out: Tensor, row: int) -> list[int]:
    """Numbers of rows of a map, of so many bytes each, that may be done at a time."""
    return even_parts(out.shape[2], (budget // max(row, 1) for budget in (0, *STRIPS)))


def even_parts(count: int, sizes: Iterable[int]) -> list[int]:
    """Sizes of parts of about these sizes, as equal as can be."""
    parts = {-(-count // max(1, min(count, size))) for size in sizes}
    return sorted({-(-count // number) for number in parts})


@offers.rule(Conv)
def _conv(op: Conv, call: Call) -> Iterator[Offer]:
    if len(call.output.shape) != 4 or not call.input(1).elements:
        return
    layer = Layer.called(op, call)
    if layer.channels == layer.filters == 1 and layer.groups > 1:
        yield from _depthwise(layer, call)
        return
    if layer.cells == 1:
        yield from _pointwise(layer, call)
    else:
        yield from _columns(layer, call)
        yield from _winograd(op, layer, call)


def _products(channels: int, filters: int) -> Iterator[tuple[Kind, int]]:
    """The kinds of products, with the filters of a block; 0 for one of all."""
    yield "product", 0
    width = filters_of_block(channels, filters)
    if width:
        yield "block", width


def _macs(layer: Layer, call: Call) -> int:
    return call.output.elements * layer.cells * layer.channels


SUM, LOOP = 1.25, 200
"""Elements through a simple call that a multiply-accumulate in a sum of products is worth, and one of its loops."""


def _depthwise(layer: Layer, call: Call) -> Iterator[Offer]:
    out, macs = call.output, _macs(layer, call)
    for rows in _rows(out, layer.itemsize * math.prod(layer.target(1))):
        shapes, sums = Depthwise(layer, rows), DepthwiseSums(layer, rows)
        passes = layer.images * -(-out.shape[2] // rows)
        weights = math.prod(shapes.filters) * layer.itemsize
        loops = LOOP * macs // sums.run
        work: Work = (("element", 2 * (macs + loops)), ("call", passes * (2 * layer.cells + 1)))
        yield "depthwise", shapes.scratch, work, (("rows", rows),), weights, 0.0, rows
        moved = passes * layer.itemsize * math.prod(sums.padded)
        work = (("element", int(SUM * macs) + loops + out.elements), ("copy", moved), ("call", 8 * passes))
        yield "depthwise-sums", sums.scratch, work, (("rows", rows),), weights, 0.0, rows


def _pointwise(layer: Layer, call: Call) -> Iterator[Offer]:
    out = call.output
    row = layer.itemsize * layer.groups * (layer.channels + layer.filters) * layer.across.windows
    for rows in _rows(out, row):
        shapes = Pointwise(layer, rows)
        passes = layer.images * -(-out.shape[2] // rows)
        moved = 0 if layer.is_plain else layer.images * layer.itemsize * out.elements // layer.filters * layer.channels
        again = call.input(1).bytes * passes
        for kind, width in _products(layer.channels, layer.filters):
            work: Work = (
                (kind, _macs(layer, call)), ("element", out.elements), ("copy", moved + again), ("call", 3 * passes),
            )  # fmt: skip
            settings = (("rows", rows), ("block", width))
            yield "pointwise", shapes.scratch, work, settings, call.input(1).bytes, 0.0, rows


def _columns(layer: Layer, call: Call) -> Iterator[Offer]:
    out = call.output
    row = layer.itemsize * layer.groups * layer.channels * layer.cells * layer.across.windows
    for rows in _rows(out, row):
        shapes = Columns(layer, rows)
        passes = layer.images * -(-out.shape[2] // rows)
        moved = passes * layer.itemsize * (math.prod(shapes.columns) + math.prod(shapes.padded))
        again = call.input(1).bytes * passes
        for kind, width in _products(layer.channels * layer.cells, layer.filters):
            work: Work = (
                (kind, _macs(layer, call)), ("element", out.elements), ("copy", moved + again), ("call", 8 * passes),
            )  # fmt: skip
            settings = (("rows", rows), ("block", width))
            yield "im2col", shapes.scratch, work, settings, call.input(1).bytes, 0.0, rows


def _winograd(op: Conv, layer: Layer, call: Call) -> Iterator[Offer]:
    square = layer.down.cells == layer.across.cells
    if layer.groups > 1 or not square or any(number != 1 for number in (*op.strides, *op.dilations)):
        return
    for variant in VARIANTS:
        if variant.window == layer.down.cells:
            whole = Tiles(layer, variant.outputs, 1)
            row = layer.itemsize * whole.inputs**2 * whole.across * (layer.channels + layer.filters)
            for count in even_parts(whole.down, (budget // row for budget in (*STRIPS, 8_000_000))):
                for kind, width in _products(layer.channels, layer.filters):
                    tiles = Tiles(layer, variant.outputs, count)
                    yield _tiles(tiles, variant.name, variant.error, call, kind, width)


def _tiles(tiles: Tiles, name: str, error: float, call: Call, kind: Kind, width: int) -> Offer:
    layer, t, m = tiles.layer, tiles.inputs, tiles.outputs
    passes, count = -(-tiles.down // tiles.rows), tiles.down * tiles.across
    transformed = tiles.down * t * t * tiles.width * layer.channels + count * t**3 * layer.channels
    transformed += count * (m * t * t + m * m * t) * layer.filters
    weights = layer.itemsize * math.prod(tiles.weights)
    copies = layer.itemsize * (tiles.down * math.prod(tiles.padded(1)) + math.prod(call.output.shape[1:]))
    copies += layer.itemsize * 2 * t * t * count * (layer.channels + layer.filters)
    calls = 8 * -(-tiles.down // tiles.rows_in) + 8 * -(-tiles.down // tiles.rows_out) + 2 * passes
    work: Work = (
        (kind, layer.images * t * t * count * layer.channels * layer.filters),
        ("transform", layer.images * transformed),
        ("copy", layer.images * copies + weights * passes * layer.images),
        ("call", layer.images * calls),
    )
    grown = error * math.sqrt(max(layer.channels, FEW_CHANNELS) / MEASURED_CHANNELS)
    return name, tiles.scratch, work, (("tile_rows", tiles.rows), ("block", width)), weights, grown, tiles.rows_out * m


@offers.rule(MaxPool, AveragePool)
def _pool(op: MaxPool | AveragePool, call: Call) -> Iterator[Offer]:
    data, out = call.input(0), call.output
    if len(out.shape) != 4 or (isinstance(op, MaxPool) and op.with_indices):
        return
    for rows in _rows(out, out.itemsize * data.shape[1] * data.shape[3]):
        shapes = Pooling.of(op, data.shape, out.shape, rows, out.itemsize)
        passes = out.shape[0] * -(-out.shape[2] // rows)
        elements = shapes.down.cells * passes * math.prod(shapes.half) + shapes.across.cells * out.elements
        calls = passes * (shapes.down.cells + shapes.across.cells)
        yield "separable", shapes.scratch, (("element", elements), ("call", calls)), (("rows", rows),), 0, 0.0, rows


@offers.rule(LRN)
def _lrn(op: LRN, call: Call) -> Iterator[Offer]:
    out = call.output
    if len(out.shape) != 4:
        return
    for rows in _rows(out, 2 * out.itemsize * out.shape[1] * out.shape[3]):
        shapes = Neighbours.of(op, out.shape, rows, out.itemsize)
        passes = out.shape[0] * -(-out.shape[2] // rows)
        elements = (shapes.size + 6) * passes * math.prod(shapes.sums)
        work: Work = (("element", elements), ("call", passes * (shapes.size + 6)))
        yield "strips", shapes.scratch, work, (("rows", rows),), 0, 0.0, rows


@offers.rule(GlobalAveragePool, GlobalMaxPool)
def _global(op: Op, call: Call) -> Iterator[Offer]:
    if len(call.output.shape) == 4:
        yield "reduction", 0, (("element", call.input(0).elements), ("call", 2)), (), 0, 0.0, WHOLE


@offers.rule(Transpose, Reshape, Flatten, Squeeze, Unsqueeze, Concat, Split, Slice)
def _moved(op: Op, call: Call) -> Iterator[Offer]:
    ranks = {len(tensor.shape) for tensor in (*call.present[:1], call.output)}
    if op.view and ranks <= {4, 5} and call.input(0).shape != call.output.shape:
        return  # neither side need lie in row-major order
    moved = sum(tensor.bytes for tensor in call.outputs)
    yield "copy", 0, (("copy", 4 * moved), ("call", len(call.inputs) + len(call.outputs))), (), 0, 0.0, WHOLE


@offers.rule(Gemm)
def _gemm(op: Gemm, call: Call) -> Iterator[Offer]:
    rows, columns = call.output.shape
    inner = call.input(0).elements // max(rows, 1)
    work: Work = (("product", rows * inner * columns), ("call", 2))
    if rows == 1:
        work = (("vector", call.output.itemsize * inner * columns), ("call", 2))
    yield "product", 0, work, (), 0, 0.0, WHOLE


@offers.rule(MatMul)
def _matmul(op: MatMul, call: Call) -> Iterator[Offer]:
    work: Work = (("product", call.output.elements * call.input(0).shape[-1]), ("call", 1))
    yield "product", 0, work, (), 0, 0.0, WHOLE


@offers.rule(Softmax)
def _softmax(op: Softmax, call: Call) -> Iterator[Offer]:
    data = call.input(0)
    kept = tuple(1 if axis in op.axes else size for axis, size in enumerate(data.shape))
    work: Work = (("element", 4 * data.elements), ("function", data.elements), ("call", 5))
    yield "distribution", lines((kept,), data.itemsize), work, (), 0, 0.0, WHOLE


__all__ = ["STRIPS", "epilogue_is_foreign", "has_fixed_weights", "offers", "part_of", "step_ways"]
