"""Normalisation layers."""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, Role, require_floats, single
from cnnir.types import Type


@dataclass(frozen=True)
class BatchNormalization(Op):
    """``scale * (x - mean) / sqrt(var + epsilon) + bias`` for each channel, in inference form.

    ONNX operator specification: BatchNormalization, with ``training_mode`` 0.
    """

    epsilon: float = single(1e-5)
    momentum: float = single(0.9)

    singles: ClassVar[tuple[str, ...]] = ("epsilon", "momentum")
    """Of the running statistics; kept for whoever trains the network further."""

    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("X"),
        Operand("scale", Role.WEIGHT),
        Operand("B", Role.BIAS),
        Operand("mean", Role.STATISTIC),
        Operand("var", Role.STATISTIC),
    )
    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        inputs.rank(0, 2)
        require_floats(inputs)
        for index in range(1, 5):
            inputs.rank(index, 1, 1)
            require_floats(inputs, index)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        for index in range(1, 5):
            message = f"{inputs.name(index)} does not match the number of channels"
            facts.require_equal(inputs.tensor(index).shape[0], data.shape[1], "bn-channels", message)
        return (data,)


@dataclass(frozen=True)
class LRN(Op):
    """``x / (bias + alpha / size * sum of squares over size neighbouring channels) ** beta``.

    Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks" (2012), section
    3.3, in the form of the ONNX operator specification: LRN.
    """

    size: int
    alpha: float = single(1e-4)
    beta: float = 0.75
    bias: float = 1.0

    singles: ClassVar[tuple[str, ...]] = ("alpha", "beta", "bias")

    operands: ClassVar[tuple[Operand, ...]] = (Operand("X"),)

    def check(self, inputs: Inputs) -> None:
        inputs.rank(0, 2)
        require_floats(inputs)
        if self.size < 1:
            raise CnnirError("lrn-size", "size out of range", expected="at least 1", got=self.size)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (inputs.tensor(0),)
