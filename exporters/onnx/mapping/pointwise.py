"""Activations, functions, arithmetic, comparison and casts."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from cnnir.exporters.onnx.mapping.attributes import Attributes, Unmapped
from cnnir.exporters.onnx.mapping.base import (
    Read,
    Source,
    Target,
    reads,
    require_opset,
    write_plain,
    write_with_settings,
    writers,
)
from cnnir.exporters.onnx.mapping.history import first_opset
from cnnir.exporters.onnx.types import CODES, dtype_of
from cnnir.graph import Node
from cnnir.ops import (
    Abs,
    Acos,
    Add,
    And,
    Asin,
    Atan,
    BitShift,
    BitwiseAnd,
    BitwiseNot,
    BitwiseOr,
    BitwiseXor,
    Cast,
    Ceil,
    Celu,
    Clip,
    Cos,
    Div,
    Elu,
    Equal,
    Erf,
    Exp,
    Floor,
    Gelu,
    Greater,
    GreaterOrEqual,
    HardSigmoid,
    HardSwish,
    IsInf,
    IsNaN,
    LeakyRelu,
    Less,
    LessOrEqual,
    Log,
    Max,
    Mean,
    Min,
    Mish,
    Mod,
    Mul,
    Neg,
    Not,
    Op,
    Or,
    Pow,
    PRelu,
    Reciprocal,
    Relu,
    Round,
    Selu,
    Shrink,
    Sigmoid,
    Sign,
    Sin,
    Softplus,
    Softsign,
    Sqrt,
    Sub,
    Sum,
    Swish,
    Tan,
    Tanh,
    ThresholdedRelu,
    Where,
    Xor,
)
from cnnir.types import DType, TensorType, UnknownType

_PLAIN: Mapping[str, type[Op]] = {
    op_class.__name__: op_class
    for op_class in (
        *(Relu, LeakyRelu, Sigmoid, Tanh, HardSigmoid, HardSwish, Elu, Selu, Celu, ThresholdedRelu, PRelu, Softplus),
        *(Softsign, Swish, Mish, Gelu, Abs, Neg, Sign, Exp, Log, Sqrt, Reciprocal, Floor, Ceil, Round, Erf, Not, IsNaN),
        *(IsInf, Add, Sub, Mul, Div, Mod, Pow, Sum, Mean, Max, Min, Equal, Greater, GreaterOrEqual, Less, LessOrEqual),
        *(And, Or, Xor, Where, Sin, Cos, Tan, Asin, Acos, Atan),
        *(BitwiseNot, BitwiseAnd, BitwiseOr, BitwiseXor, Shrink),
    )
}
"""Ops that say the same in every opset; their fields are ONNX's attributes under the same names."""

_TAKE: Mapping[type, Callable[[Attributes, str, Any], Any]] = {
    float: lambda attributes, name, default: attributes.number(name, default),
    str: lambda attributes, name, default: attributes.text(name, default),
    bool: lambda attributes, name, default: attributes.flag(name, default=default),
}
"""How an attribute is read, by the type of the field."""


@reads(*_PLAIN)
def read_plain(source: Source) -> Read:
    """Operands as they are: shapes broadcast as NumPy's since opset 7."""
    op_class = _PLAIN[source.proto.op_type]
    taken = {
        part.name: _TAKE[type(part.default)](source.attributes, part.name, part.default) for part in fields(op_class)
    }
    return op_class(**taken), source.inputs


@writers.rule(*_PLAIN.values())
def write_plain_op(target: Target, node: Node, op: Op) -> None:
    """All attributes are said."""
    require_opset(target, node, max(first_opset(op.kind), _since(node, op)))
    taken = {part.name: getattr(op, part.name) for part in fields(op)}
    write_plain(target, node, op.kind, **{k: int(v) if isinstance(v, bool) else v for k, v in taken.items()})


def _since(node: Node, op: Op) -> int:
    """When an op that is older took operands like these."""
    types = [value.type for value in node.operands]
    dtypes = [type_.dtype for type_ in types if isinstance(type_, TensorType | UnknownType)]
    if isinstance(op, Sum | Mean | Max | Min) and any(type_ != node.output.type for type_ in types):
        return 8  # shapes that differ
    if isinstance(op, Pow) and len(set(dtypes)) > 1:
        return 12
    if isinstance(op, Mod) and not op.fmod and dtypes[0] is not None and dtypes[0].is_float:
        return 28
    return 0


@reads("BitShift")
def read_shift(source: Source) -> Read:
    """Since opset 11; of signed numbers since 28."""
    direction: Any = source.attributes.text("direction", "")
    return BitShift(direction), source.inputs


@writers.rule(BitShift)
def write_shift(target: Target, node: Node, op: BitShift) -> None:
    """Since opset 11."""
    require_opset(target, node, 11)
    write_plain(target, node, "BitShift", direction=op.direction)


@reads("Clip")
def read_clip(source: Source) -> Read:
    """Bounds are attributes before opset 11 and operands, each optional, after."""
    bounds: list[Any] = []
    for index, name in ((1, "min"), (2, "max")):
        if source.opset < 11:
            bounds.append(source.attributes.optional_number(name))
        else:
            bounds.append(source.scalar_setting(index, name, source.dtype(0)))
    return Clip(*bounds), source.inputs[:1]


@writers.rule(Clip)
def write_clip(target: Target, node: Node, op: Clip) -> None:
    """Operands are scalars of the tensor's own element type."""
    if target.opset < 11:
        low, high = (None if bound is None else float(bound) for bound in (op.low, op.high))
        write_plain(target, node, "Clip", min=low, max=high)
        return
    type_ = node.output.type
    dtype = type_.dtype if isinstance(type_, TensorType | UnknownType) else None
    names = ["", ""]
    for index, (key, bound) in enumerate((("min", op.low), ("max", op.high))):
        if bound is not None:
            if dtype is None:
                raise Unmapped("bounds of what has no known element type")
            names[index] = target.constant(node, key, np.asarray(bound, dtype.numpy))
    write_with_settings(target, node, "Clip", names)


@reads("Cast")
def read_cast(source: Source) -> Read:
    """To bfloat16 since opset 13, to floats of 8 bits since 19, of 4 since 23, to powers of two since 24."""
    return _cast(source, dtype_of(source.attributes.integer("to"))), source.inputs


def _cast(source: Source, to: DType) -> Cast:
    rounding = source.attributes.text("round_mode", "up")
    return Cast(to, source.attributes.flag("saturate", default=True), rounding)  # type: ignore[arg-type]


@reads("CastLike")
def read_cast_like(source: Source) -> Read:
    """Nothing but the element type is taken from the second operand."""
    to = source.dtype(1)
    if to is None:
        raise Unmapped("the element type that it casts to is not known")
    return _cast(source, to), source.inputs[:1]


@writers.rule(Cast)
def write_cast(target: Target, node: Node, op: Cast) -> None:
    """Since opset 6; what only some element types heed is said where it is not the default."""
    write_plain(
        target, node, "Cast", to=CODES[op.to], saturate=None if op.saturate else 0,
        round_mode=None if op.rounding == "up" else op.rounding,
    )  # fmt: skip
