"""What the kernels of convolution and pooling allocate: padded maps, columns, products."""

import math
from collections.abc import Sequence

from cnnir.algorithms.base import Call, Tensor, in_float32, workspaces
from cnnir.ops import (
    AveragePool,
    Conv,
    ConvTranspose,
    GlobalAveragePool,
    GlobalLpPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
)
from cnnir.ops.window import Window

STRIP_BYTES = 2 * 1024 * 1024
"""The columns that the kernel makes at a time; as `cnnir.interpreter.kernels.convolution` has it."""


def padded_elements(data: Tensor, window: Window, targets: Sequence[int]) -> int:
    """Elements of the map with its padding; 0 where the windows reach no further than the map."""
    axes = len(window.kernel)
    pads = window.resolved_pads(data.shape[2:])
    sizes = []
    for axis, (size, target, extent) in enumerate(zip(data.shape[2:], targets, window.extents(), strict=True)):
        reach = (target - 1) * window.strides[axis] + extent
        sizes.append(pads[axis] + size + max(pads[axis + axes], reach - size - pads[axis], 0))
    return 0 if tuple(sizes) == data.shape[2:] else math.prod((*data.shape[:2], *sizes))


@workspaces.rule(Conv)
@in_float32
def conv(op: Conv, call: Call) -> int:
    """The padded map, and what the way needs that the kernel takes: products alone, or columns beside them."""
    data, weight, out = call.input(0), call.input(1), call.output
    itemsize = out.itemsize
    dense = weight.bytes if weight.repeated else 0
    added = call.buffers(1) if call.has(2) else 0
    if weight.elements == 0 or out.elements == 0:
        return dense + added
    window = op.window(weight.shape)
    held = dense + itemsize * padded_elements(data, window, out.shape[2:])
    if op.group == data.shape[1] == weight.shape[0] and weight.shape[1] == 1:
        return held + out.bytes + call.buffers()
    filters = weight.shape[0] // op.group
    # The filters of a group as a matrix: a copy where they do not lie in order.
    matrix = weight.bytes // op.group if weight.strided else 0
    if all(size == 1 for size in window.kernel) and all(stride == 1 for stride in window.strides):
        return held + max(matrix + itemsize * filters * math.prod(out.shape[2:]), added)
    return held + max(matrix + columns_bytes(weight, filters, out), added)


def columns_bytes(weight: Tensor, filters: int, out: Tensor) -> int:
    """Columns and products of the strips, into which the first spatial axis of one image of a group is cut."""
    taps, cells, height = math.prod(weight.shape[1:]), math.prod(out.shape[3:]), out.shape[2]
    rows = max(1, min(height, STRIP_BYTES // max(taps * cells * out.itemsize, 1)))
    # The product of a strip is given back when that of the next one is there.
    products = filters * cells * (rows + min(rows, height - rows))
    return out.itemsize * (taps * rows * cells + products)


@workspaces.rule(ConvTranspose)
@in_float32
def conv_transpose(op: ConvTranspose, call: Call) -> int:
    """The output before it is cropped, the input of one group in another order, and its product with the filters."""
    data, weight, out = call.input(0), call.input(1), call.output
    added = call.buffers(1) if call.has(2) else 0
    dense = weight.bytes if weight.repeated else 0
    if not weight.elements or not data.elements:
        return dense + added
    pads = op.resolved_pads(data.shape[2:], weight.shape)
    full = [
        max((size - 1) * stride + extent, out.shape[2 + axis] + pads[axis])
        for axis, (size, stride, extent) in enumerate(
            zip(data.shape[2:], op.strides, op.extents(weight.shape), strict=True)
        )
    ]
    spread = data.shape[0] * math.prod(weight.shape[1:]) * math.prod(data.shape[2:])
    # The product of a group is given back when that of the next one is there.
    products = data.elements // op.group + spread * min(op.group, 2)
    return dense + max(out.itemsize * (math.prod((*out.shape[:2], *full)) + products), added)


@workspaces.rule(MaxPool)
def max_pool(op: MaxPool, call: Call) -> int:
    """The padded map; for indices a map of places, padded too, and what tells where they change."""
    data, out = call.input(0), call.output
    padded = padded_elements(data, op.window, out.shape[2:])
    held = data.itemsize * padded
    if not op.with_indices:
        return held + call.buffers(1)
    maps, cells = math.prod(data.shape[:2]), math.prod(data.shape[2:])
    places = data.elements + (padded or 2 * maps)
    return held + 8 * (places + cells + 2 * maps) + 5 * out.elements + call.buffers(3)


@workspaces.rule(AveragePool)
@in_float32
def average_pool(op: AveragePool, call: Call) -> int:
    """The padded map, and the number of cells that count."""
    data, out = call.input(0), call.output
    padded = out.itemsize * padded_elements(data, op.window, out.shape[2:])
    targets = math.prod(out.shape[2:])
    inner = max(target * size for target, size in zip(out.shape[2:], op.kernel_shape, strict=True))
    return padded + (8 + out.itemsize) * targets + 20 * inner + call.buffers(1)


@workspaces.rule(LpPool)
@in_float32
def lp_pool(op: LpPool, call: Call) -> int:
    """The map's powers, first beside its sizes, then beside the padded map."""
    data = call.input(0)
    padded = data.itemsize * padded_elements(data, op.window, call.output.shape[2:])
    return data.bytes + max(data.bytes, padded + call.buffers(1))


@workspaces.rule(GlobalMaxPool)
def global_max_pool(op: GlobalMaxPool, call: Call) -> int:
    """One number a map, made aside."""
    return call.output.bytes + call.buffers(1)


@workspaces.rule(GlobalAveragePool)
@in_float32
def global_average_pool(op: GlobalAveragePool, call: Call) -> int:
    """One number a map, made aside, and divided by a whole number."""
    return call.output.bytes + call.buffers(1) + call.cast_buffers(call.output.elements)


@workspaces.rule(GlobalLpPool)
@in_float32
def global_lp_pool(op: GlobalLpPool, call: Call) -> int:
    """Sizes and their powers, and their sums."""
    return 2 * call.input(0).bytes + 2 * call.output.bytes + call.buffers(1)
