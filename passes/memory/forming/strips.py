"""How much of a result is held while what reads it takes it strip by strip.

A strip is as many rows as one row of the reader's windows covers, of a block of channels. Rows of the next strip that
the last one has made already are kept, so nothing is computed twice; images of a batch are taken one after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnir.graph import Node
from cnnir.ops import Conv
from cnnir.ops.pooling import Pool
from cnnir.passes.memory.forming.kinds import is_pool
from cnnir.passes.memory.sizes import itemsize_of, shape_of

CHANNELS = 16
"""Channels of a strip: what a convolution's inner loop makes at once; as in the layouts of oneDNN and ONNX Runtime."""

MAPS = 4
"""Rank of what can be cut into rows and channels: N, C, H, W."""


@dataclass(frozen=True, slots=True)
class Strip:
    """What is held at once of results that are not stored.

    Attributes:
        rows: Of the first of them: as many as one row of windows covers.
        channels: Made at once; all of them where a node in between looks at neighbouring ones.
        bytes: Of all of them together.
    """

    rows: int
    channels: int
    bytes: int

    def beside(self, other: "Strip") -> "Strip":
        """This strip, with one of what is made from it."""
        return Strip(self.rows, self.channels, self.bytes + other.bytes)


def pool_strip(pool: Node, nodes: Sequence[Node], *, channels: bool) -> Strip | None:
    """The strip for a pooling over height and width of a convolution's result; None when there is none to take.

    Args:
        pool: The pooling node.
        nodes: What makes its operand; a convolution among them.
        channels: Whether all channels are needed at once.
    """
    if not any(isinstance(node.op, Conv) for node in nodes):
        return None
    if isinstance(pool.op, Pool):
        return _rows(pool, pool.op.kernel_shape[0], (pool.op.dilations or (1,))[0], channels=channels)
    return _rows(pool, None, 1, channels=channels)


def chain_strip(reader: Node, nodes: Sequence[Node]) -> Strip | None:
    """The strip for a convolution that reads the result of another, or of a pooling; None when there is none to take.

    A depthwise convolution makes the channels that it reads; any other one adds what each block of channels gives to
    its result.

    Args:
        reader: The convolution.
        nodes: What makes its operand.
    """
    makes = [node for node in nodes if isinstance(node.op, Conv) or is_pool(node)]
    if not makes or not isinstance(reader.op, Conv):
        return None
    return _rows(reader, shape_of(reader.operands[1])[2], reader.op.dilations[0], channels=False)


def is_depthwise(node: Node) -> bool:
    """True for a convolution each of whose channels is made from one."""
    return isinstance(node.op, Conv) and node.op.group == shape_of(node.operands[0])[1] > 1


def _rows(reader: Node, kernel: int | None, dilation: int, *, channels: bool) -> Strip | None:
    operand = reader.operands[0]
    shape = shape_of(operand)
    if len(shape) != MAPS:
        return None
    _, depth, height, width = shape
    rows = height if kernel is None else min(height, dilation * (kernel - 1) + 1)
    held = depth if channels else min(depth, CHANNELS)
    return Strip(rows, held, rows * width * held * itemsize_of(operand))


__all__ = ["CHANNELS", "Strip", "chain_strip", "is_depthwise", "pool_strip"]
