"""Normalisation layers."""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, Role, require_floats, single
from cnnir.types import Type, UnknownType


@dataclass(frozen=True)
class ChannelNormalization(Op):
    """Base of what brings each channel to a mean and a variance, scales and shifts it."""

    epsilon: float = single(1e-5)
    momentum: float = single(0.9)
    """Of the running statistics; outside of training kept for whoever trains the network further."""

    singles: ClassVar[tuple[str, ...]] = ("epsilon", "momentum")

    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("X"),
        Operand("scale", Role.WEIGHT),
        Operand("B", Role.BIAS),
        Operand("mean", Role.STATISTIC),
        Operand("var", Role.STATISTIC),
    )

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
class BatchNormalization(ChannelNormalization):
    """``scale * (x - mean) / sqrt(var + epsilon) + bias`` for each channel, in inference form.

    ONNX operator specification: BatchNormalization, with ``training_mode`` 0.
    """

    in_place: ClassVar[bool] = True


@dataclass(frozen=True)
class TrainingBatchNormalization(ChannelNormalization):
    """The same by the mean and variance of each channel in the batch at hand, and the running ones brought forward.

    ``running = running * momentum + current * (1 - momentum)``; the variance is that of the population. Ioffe and
    Szegedy, "Batch Normalization" (2015). ONNX operator specification: BatchNormalization, with ``training_mode`` 1.
    """

    results: ClassVar[tuple[str, ...]] = ("Y", "running_mean", "running_var")

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (*super().infer(inputs, facts), inputs.tensor(3), inputs.tensor(4))

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return tuple(UnknownType(inputs.dtype(index)) for index in (0, 3, 4))


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
