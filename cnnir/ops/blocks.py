"""Channels laid out as blocks of pixels, and back."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand
from cnnir.types import Type

Order: TypeAlias = Literal["DCR", "CRD"]
"""Whether the pixels of a block are the outer part of the channels (DCR) or the inner one (CRD)."""


@dataclass(frozen=True)
class DepthToSpace(Op):
    """Each position's channels become a block of pixels. ONNX operator specification: DepthToSpace."""

    blocksize: int
    mode: Order = "DCR"

    operands: ClassVar[tuple[Operand, ...]] = (Operand("input"),)

    def check(self, inputs: Inputs) -> None:
        _require_block(inputs, self.blocksize, self.mode)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, size = inputs.tensor(0), self.blocksize
        batch, channels, height, width = data.shape
        message = f"the channels do not fill blocks of {size} x {size}"
        facts.require_equal(channels % (size * size), 0, "depth-blocks", message)
        return (data.with_shape((batch, channels // (size * size), height * size, width * size)),)


@dataclass(frozen=True)
class SpaceToDepth(Op):
    """Each block of pixels becomes channels of one position. ONNX operator specification: SpaceToDepth."""

    blocksize: int
    mode: Order = "DCR"

    operands: ClassVar[tuple[Operand, ...]] = (Operand("input"),)

    def check(self, inputs: Inputs) -> None:
        _require_block(inputs, self.blocksize, self.mode)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, size = inputs.tensor(0), self.blocksize
        batch, channels, height, width = data.shape
        for dim, what in ((height, "height"), (width, "width")):
            facts.require_equal(dim % size, 0, "depth-blocks", f"the {what} is not cut evenly into blocks of {size}")
        return (data.with_shape((batch, channels * (size * size), height // size, width // size)),)


def _require_block(inputs: Inputs, size: int, mode: str) -> None:
    inputs.rank(0, 4, 4)
    if mode not in ("DCR", "CRD"):
        raise CnnirError("depth-order", "no such order of channels", expected="DCR or CRD", got=mode)
    if size < 1:
        raise CnnirError("depth-blocks", "a block has at least one pixel", expected="at least 1", got=size)
