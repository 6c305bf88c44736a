"""How much of a result is held while what reads it takes it strip by strip.

A strip is as many rows as one row of the reader's windows covers, of a block of channels. Rows of the next strip that
the last one has made already are kept, so nothing is computed twice; images of a batch are taken one after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnir.dims import Dim, is_known
from cnnir.graph import Node, Value
from cnnir.ops import Conv
from cnnir.ops.pooling import Pool
from cnnir.passes.memory.sizes import dims_of, itemsize_of, shape_of

CHANNELS = 16
"""Channels of a strip: what a convolution's inner loop makes at once; as in the layouts of oneDNN and ONNX Runtime."""

MAPS = 4
"""Rank of what can be cut into rows and channels: N, C, H, W."""


@dataclass(frozen=True, slots=True)
class Strip:
    """What is held at once of results that are not stored.

    Attributes:
        rows: Of the first of them: as many as one row of windows covers.
        channels: Made at once; all of them where what reads the strip needs them together.
        bytes: Of all of them together.
    """

    rows: int
    channels: int
    bytes: int


def strip_of(readers: Sequence[Node], *, channels: bool) -> Strip | None:
    """The strips for convolutions and poolings that read each other's results; None when there are none to take.

    By blocks of channels a depthwise convolution or a pooling makes the channels that it reads, and any other
    convolution adds what each block gives to its result: so it can only be the last. By rows all of them hand on.

    Args:
        readers: In executable order; what the first one reads is made in strips as well.
        channels: Whether all channels are held.
    """
    strips = []
    for reader in readers:
        strip = _rows(reader, channels=channels)
        if strip is None:
            return None
        strips.append(strip)
    whole = Strip(strips[0].rows, strips[0].channels, sum(strip.bytes for strip in strips))
    # A plan tells the rows and channels of the first: as many of any other one have to find room, too.
    fits = all(_bytes(reader.operands[0], whole.rows, whole.channels) <= whole.bytes for reader in readers)
    return whole if fits else None


def mixes_channels(node: Node) -> bool:
    """True for a convolution whose channels are made from several each."""
    return isinstance(node.op, Conv) and not node.op.group == shape_of(node.operands[0])[1] > 1


def _rows(reader: Node, *, channels: bool) -> Strip | None:
    """The rows that one row of windows covers; all of them where a window covers the map."""
    operand = reader.operands[0]
    shape = shape_of(operand)
    if len(shape) != MAPS:
        return None
    covered = window_rows(reader)
    assert is_known(covered)  # noqa: S101  all dims are
    rows = min(shape[2], covered)
    held = shape[1] if channels else min(shape[1], CHANNELS)
    return Strip(rows, held, _bytes(operand, rows, held))


def window_rows(reader: Node) -> Dim:
    """The rows that a window of a convolution or pooling of maps covers, its gaps too; padding may be among them."""
    operand, op = reader.operands[0], reader.op
    if isinstance(op, Conv):
        return op.dilations[0] * (dims_of(reader.operands[1])[2] - 1) + 1
    if isinstance(op, Pool):
        return (op.dilations or (1,))[0] * (op.kernel_shape[0] - 1) + 1
    return dims_of(operand)[2]


def _bytes(value: Value, rows: int, channels: int) -> int:
    """Of so many rows and channels of one image."""
    _, depth, height, width = shape_of(value)
    return min(rows, height) * min(channels, depth) * width * itemsize_of(value)


__all__ = ["CHANNELS", "Strip", "mixes_channels", "strip_of", "window_rows"]
