"""Channels laid out as blocks of pixels, and back."""

from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import kernels, present
from cnnir.ops import DepthToSpace, SpaceToDepth
from cnnir.weights import AnyArray


@kernels.rule(DepthToSpace)
def depth_to_space(op: DepthToSpace, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """As the specification writes it: a reshape, a transpose and a reshape."""
    data, size = present(inputs, 0), op.blocksize
    batch, channels, height, width = data.shape
    depth = channels // (size * size)
    if op.mode == "DCR":
        turned = data.reshape(batch, size, size, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
    else:
        turned = data.reshape(batch, depth, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
    np.copyto(outputs[0], turned.reshape(outputs[0].shape))


@kernels.rule(SpaceToDepth)
def space_to_depth(op: SpaceToDepth, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The same three steps the other way."""
    data, size = present(inputs, 0), op.blocksize
    batch, channels, height, width = data.shape
    cut = data.reshape(batch, channels, height // size, size, width // size, size)
    turned = cut.transpose(0, 3, 5, 1, 2, 4) if op.mode == "DCR" else cut.transpose(0, 1, 3, 5, 2, 4)
    np.copyto(outputs[0], turned.reshape(outputs[0].shape))
