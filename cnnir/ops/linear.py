"""Matrix products."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnnir.dims import Dim, Shape
from cnnir.ops.base import Cost, Facts, Inputs, Op, Operand, Role, require_numbers, require_same_dtype
from cnnir.ops.broadcasting import broadcast
from cnnir.types import TensorType, Type, UnknownType


@dataclass(frozen=True)
class Gemm(Op):
    """``alpha * A' @ B' + beta * C``, where ``'`` transposes on demand; ``[M, K] @ [K, N] -> [M, N]``.

    A fully connected layer. ONNX operator specification: Gemm.
    """

    alpha: float = 1.0
    beta: float = 1.0
    trans_a: bool = False
    trans_b: bool = False

    singles: ClassVar[tuple[str, ...]] = ("alpha", "beta")

    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("A"),
        Operand("B", Role.WEIGHT),
        Operand("C", Role.BIAS, optional=True),
    )

    def check(self, inputs: Inputs) -> None:
        inputs.rank(0, 2, 2)
        inputs.rank(1, 2, 2)
        require_same_dtype(inputs, 0, 1, 2)
        require_numbers(inputs)

    def sizes(self, inputs: Inputs) -> tuple[Dim, Dim, Dim, Dim]:
        """M, K as A has it, K as B has it, N."""
        rows, inner = inputs.tensor(0).shape[:: -1 if self.trans_a else 1]
        expected, columns = inputs.tensor(1).shape[:: -1 if self.trans_b else 1]
        return rows, inner, expected, columns

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        rows, inner, expected, columns = self.sizes(inputs)
        facts.require_equal(
            inner,
            expected,
            "gemm-features",
            f"input has {inner} features, weight expects {expected}",
            "a fully connected layer fits one image size; check the input's height and width",
        )
        if inputs.has(2):
            _check_unidirectional(inputs.tensor(2).shape, (rows, columns), facts)
        return (inputs.tensor(0).with_shape((rows, columns)),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype()),)

    def cost(self, inputs: Inputs, outputs: Sequence[Type]) -> Cost:
        rows, inner, _, columns = self.sizes(inputs)
        return Cost(rows * inner * columns)


def _check_unidirectional(shape: Shape, target: Shape, facts: Facts) -> None:
    """``shape`` must broadcast to ``target`` without growing it."""
    result = broadcast([target, shape], facts)
    for dim, wanted in zip(result, target, strict=False):
        facts.require_equal(dim, wanted, "gemm-bias", "the bias does not broadcast to the product")
    facts.require_equal(len(result), len(target), "gemm-bias", "the bias has a higher rank than the product")


@dataclass(frozen=True)
class MatMul(Op):
    """NumPy's ``matmul``: the last two axes multiply, the others broadcast, a vector counts as a row or a column.

    ONNX operator specification: MatMul.
    """

    operands: ClassVar[tuple[Operand, ...]] = (Operand("A"), Operand("B", Role.WEIGHT))

    def check(self, inputs: Inputs) -> None:
        inputs.rank(0, 1)
        inputs.rank(1, 1)
        require_same_dtype(inputs, 0, 1)
        require_numbers(inputs)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        left, right = inputs.tensor(0).shape, inputs.tensor(1).shape
        rows: Shape = left[-2:-1]
        columns: Shape = right[-1:] if len(right) > 1 else ()
        expected = right[max(len(right) - 2, 0)]
        facts.require_equal(left[-1], expected, "matmul-inner", "the inner dims of the product differ")
        batch = broadcast([left[:-2], right[:-2]], facts)
        return (inputs.tensor(0).with_shape((*batch, *rows, *columns)),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype()),)

    def cost(self, inputs: Inputs, outputs: Sequence[Type]) -> Cost:
        (output,) = outputs
        if not isinstance(output, TensorType):
            return Cost(None, "the type of the output is not known")
        return Cost(output.elements * inputs.tensor(0).shape[-1])
