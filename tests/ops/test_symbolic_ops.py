"""Inference on symbolic dims says the same as inference on the numbers that they stand for."""

import numpy as np
import onnx
import pytest
from onnx import shape_inference

from cnnir.constraints import Constraint
from cnnir.dims import Shape, bind, is_known, symbol
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import write
from cnnir.ops import DEFINED, ConstantOfShape, ConvTranspose, Facts, Op, Size, infer
from cnnir.types import DType, TensorType, Type
from tests.interpreter.single_nodes import Case, random_case
from tests.ops.sources import Given

SEEDS = 60

UNDECIDED = {"squeeze-rank", "dims-unbound", "reshape-target"}
"""Codes of questions that open dims leave open; binding them is the way out."""


def given(case: Case, shape: Shape) -> list[Given | None]:
    """The case's operands, the first one of this shape."""
    types: list[Given | None] = [
        None if operand is None else Given(TensorType(DType.of(operand.dtype), operand.shape))
        for operand in case.operands
    ]
    first = types[0]
    assert first is not None
    assert isinstance(first.type, TensorType)
    types[0] = Given(first.type.with_shape(shape))
    return types


def bound(type_: Type, values: dict[str, int]) -> Type:
    """The type with numbers for its symbols."""
    assert isinstance(type_, TensorType)
    return type_.with_shape(tuple(bind(dim, values) for dim in type_.shape))


def alternatives(case: Case, seed: int) -> list[tuple[int, ...]]:
    """The operand's own shape and a few near it."""
    first = case.operands[0]
    assert first is not None
    rng = np.random.default_rng(seed)
    own = first.shape
    return [own, *(tuple(int(max(1, size + rng.integers(-3, 4))) for size in own) for _ in range(8))]


@pytest.mark.parametrize("op_class", [op for op in DEFINED if op is not ConstantOfShape], ids=lambda op: op.__name__)
def test_symbolic_equals_numbers(op_class: type[Op]) -> None:
    """Where the constraints hold, the bound dims are those of the numbers; where numbers fail, a constraint does."""
    agreed = 0
    for seed in range(SEEDS):
        case = random_case(op_class, seed)
        first = case.operands[0]
        assert first is not None
        names = [f"D{axis}" for axis in range(first.ndim)]
        found = outcome(case.op, given(case, tuple(symbol(name) for name in names)))
        if isinstance(found, CnnirError):
            assert found.code in UNDECIDED, (str(case), str(found))
            continue
        types, facts = found
        for shape in alternatives(case, seed):
            values = dict(zip(names, shape, strict=True))
            holds = all(constraint.check(values) is True for constraint in facts.constraints)
            expected = outcome(case.op, given(case, shape))
            if isinstance(expected, CnnirError):
                assert not holds, (str(case), shape, str(expected))
            elif holds:
                assert tuple(bound(type_, values) for type_ in types) == expected[0], (str(case), shape)
                agreed += 1
            else:
                assert op_class.__name__ == "Slice" or broken_by_broadcast(case, facts.constraints, values), (
                    str(case), shape, list(map(str, facts.constraints)),
                )  # fmt: skip
    assert agreed >= SEEDS // 2


def outcome(op: Op, operands: list[Given | None]) -> tuple[tuple[Type, ...], Facts] | CnnirError:
    """What inference gives, be it an error."""
    try:
        return infer(op, operands)
    except CnnirError as error:
        return error


def broken_by_broadcast(case: Case, constraints: list[Constraint], values: dict[str, int]) -> bool:
    """True when all that is broken is that a dim, which happens to be 1, is taken as equal to the other."""
    broken = [constraint for constraint in constraints if constraint.check(values) is False]
    return all("broadcast" in constraint.reason for constraint in broken) and 1 in values.values()


def onnx_departs(op: Op) -> bool:
    """True where onnx's inference is known to depart from its own text.

    With ceil_mode it counts windows that start in the padding at the end; a transposed convolution gets other sizes
    than ``size * stride`` with SAME, and none where its output's sizes are given and smaller than the input's. The
    oracles of the kernel tests and onnxruntime side with the text.
    """
    if isinstance(op, ConvTranspose):
        return op.auto_pad.startswith("SAME") or op.output_shape is not None
    return bool(getattr(op, "ceil_mode", False))


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_as_onnx_infers(op_class: type[Op]) -> None:
    """The shapes are those that onnx's own inference finds in the exported model."""
    compared = 0
    for seed in range(SEEDS):
        case = random_case(op_class, seed)
        if not case.portable or onnx_departs(case.op):
            continue
        graph = case.graph()
        model = write(graph)
        for info in model.graph.output:
            info.type.tensor_type.ClearField("shape")
        found = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph.output
        for value, info in zip(graph.outputs, found, strict=True):
            assert isinstance(value.type, TensorType)
            assert onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type) == value.type.dtype.numpy
            if not info.type.tensor_type.HasField("shape"):
                continue
            theirs = info.type.tensor_type.shape.dim
            assert len(theirs) == value.type.rank
            pairs = [(a, b.dim_value) for a, b in zip(value.type.shape, theirs, strict=True) if b.HasField("dim_value")]
            assert all(a == b for a, b in pairs if is_known(a)), (str(case), str(value.type), theirs)
            compared += len(pairs)
    assert compared > 0 or op_class in (ConstantOfShape, Size)
