"""Random nodes of functions, arithmetic, comparisons and choices, element by element."""

from typing import Any

import numpy as np
from onnx import helper

from tests.interpreter.drawing import AnyArray
from tests.property.catalogue import draws
from tests.property.sketch import EVERY, FLOATS, INTEGERS, NUMBERS, Operand, Sketch, Step

_SIGNED = (*FLOATS * 2, np.int64, np.int32, np.int8)
_POSITIVE = ("Log", "Sqrt")


@draws(7, "Exp", "Sigmoid", "Tanh", "Softplus", "Softsign", "Floor", "Ceil")
@draws(7, "Sqrt", "Log", "Reciprocal", "Sin", "Cos", "Atan")
@draws(9, "Erf")
@draws(11, "Round")
@draws(14, "HardSwish")
@draws(18, "Mish")
def function(s: Sketch, op_type: str) -> Step:
    """Of floats, where they have a value."""
    x = s.some(where=lambda x: op_type not in _POSITIVE or bool((x >= 0).all()))
    return s.step(op_type, x)


@draws(7, "Tan", "Acos", "Asin")
def angle(s: Sketch, op_type: str) -> Step:
    """Of numbers that are sines and cosines, away from the poles."""
    return s.step(op_type, s.some(where=lambda x: bool((np.abs(x) <= 1).all()), make=lambda d: _between(s, d)))


def _between(s: Sketch, dtype: Any) -> AnyArray:
    return np.asarray(s.draw.rng.uniform(-1, 1, s.shape()), dtype)


@draws(7, "Abs", "Neg", "Identity")
@draws(9, "Sign")
def signed(s: Sketch, op_type: str) -> Step:
    """Of floats and integers."""
    return s.step(op_type, s.some(EVERY if op_type == "Identity" else _SIGNED))


@draws(7, "Relu", weight=3)
def relu(s: Sketch, op_type: str) -> Step:
    """Of integers as well since opset 14."""
    return s.step(op_type, s.some(_SIGNED if s.opset >= 14 else FLOATS))


@draws(9, "IsNaN")
@draws(10, "IsInf")
def special(s: Sketch, op_type: str) -> Step:
    """Some are what is asked for."""

    def make(dtype: Any) -> AnyArray:
        array = s.array(s.shape(), dtype)
        odd = s.draw.choose([np.nan, np.inf, -np.inf])
        return np.asarray(np.where(s.draw.rng.random(array.shape) < 0.3, odd, array), dtype)

    signs = {"detect_negative": s.draw.choose([None, 0, 1]), "detect_positive": s.draw.choose([None, 0, 1])}
    dtypes = FLOATS if op_type == "IsNaN" or s.opset >= 20 else (np.float32, np.float64)
    x = Operand(make(s.draw.choose(dtypes)))
    return s.step(op_type, x, **(signs if op_type == "IsInf" else {}))


_PARAMETERS: dict[str, tuple[str, ...]] = {
    "Elu": ("alpha",), "Celu": ("alpha",), "Selu": ("alpha", "gamma"), "LeakyRelu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"), "ThresholdedRelu": ("alpha",), "Swish": ("alpha",),
}  # fmt: skip


@draws(7, "Elu", "Selu", "LeakyRelu", "HardSigmoid")
@draws(10, "ThresholdedRelu")
@draws(12, "Celu")
@draws(24, "Swish")
def parametric(s: Sketch, op_type: str) -> Step:
    """Each number given or left out."""
    least = 0.25 if op_type == "Celu" else -1.0
    given = {name: max(least, s.draw.choose([0.0, 0.25, 1.0, 2.0, -0.5])) for name in _PARAMETERS[op_type]}
    x = s.some((np.float32,) if op_type == "Celu" else FLOATS)
    attributes: dict[str, Any] = {name: value for name, value in given.items() if s.draw.coin(0.6)}
    return s.step(op_type, x, **attributes)


@draws(20, "Gelu")
def gelu(s: Sketch, op_type: str) -> Step:
    """By the error function or by tanh."""
    return s.step(op_type, s.some(), approximate=s.draw.choose([None, "none", "tanh"]))


@draws(7, "Clip", weight=2)
def clip(s: Sketch, op_type: str) -> Step:
    """Bounds as attributes, or as operands that may be absent."""
    low, high = s.draw.choose([(None, None), (-0.5, None), (None, 0.5), (-0.5, 0.5), (0.0, 6.0), (1.0, -1.0)])
    if s.opset < 11:
        return s.step(op_type, s.some(), min=low, max=high)
    x = s.some((*FLOATS * 2, *INTEGERS) if s.opset >= 12 else FLOATS)
    bounds = [None if bound is None else s.setting(_fitting(bound, x.array), x.array.dtype) for bound in (low, high)]
    return s.step(op_type, x, *bounds)


def _fitting(bound: float, array: AnyArray) -> float:
    return max(bound, 0.0) if array.dtype.kind == "u" else bound


@draws(7, "Dropout")
def dropout(s: Sketch, op_type: str) -> Step:
    """With and without a mask, which has been of truths since opset 10; the ratio given either way."""
    outputs = 2 if s.opset >= 10 and s.draw.coin(0.4) else 1
    if s.opset < 12:
        return s.step(op_type, s.some(), outputs=outputs, ratio=s.draw.choose([None, 0.5, 0.0]))
    ratio = s.draw.choose([None, s.setting(0.3, np.float32), s.setting(0.0, np.float32)])
    training = s.setting(values=False, dtype=np.bool_) if s.draw.coin(0.3) else None
    return s.step(op_type, s.some(), ratio, training, outputs=outputs)


@draws(7, "Cast", weight=2)
def cast(s: Sketch, op_type: str) -> Step:
    """Between numbers and truths; what is cast to an unsigned type is not negative."""
    to = s.draw.choose([*EVERY, np.float64, np.float16])
    unsigned = np.dtype(to).kind == "u"
    x = s.some(EVERY, where=lambda x: _castable(x, unsigned))
    return s.step(op_type, x, to=int(helper.np_dtype_to_tensor_dtype(np.dtype(to))))


def _castable(array: AnyArray, unsigned: bool) -> bool:
    if array.dtype.kind == "b" or not array.size:
        return True
    return array.min() > -100 and array.max() < 100 and not (unsigned and array.min() < 0)


# Several operands


def partner(s: Sketch, x: Operand, positive: bool = False) -> Operand:
    """An operand that broadcasts with x: itself, another value, a weight, or data of a shape that fits."""
    shape, dtype = x.array.shape, x.array.dtype
    if s.draw.coin(0.1) and not positive:
        return x
    cut = shape[s.draw.number(0, len(shape)) :] if s.draw.coin(0.4) else shape
    wanted = tuple(1 if s.draw.coin(0.25) else size for size in cut)
    if s.draw.coin(0.1):
        wanted = (s.draw.number(1, 3),) * (len(wanted) == len(shape) < 5) + wanted
    array = s.array(wanted, dtype)
    if positive:
        array = np.asarray(np.abs(array) + 1, dtype)
    if s.draw.coin(0.4):
        return s.weight(array) if not positive else Operand(array, kind="weight")
    return s.some([dtype], where=lambda y: _fits(y, shape, positive=positive), make=lambda _: array)


def _fits(array: AnyArray, shape: tuple[int, ...], *, positive: bool) -> bool:
    return _broadcasts(array.shape, shape) and (not positive or bool((array > 0.1).all()))


def _broadcasts(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(one, other)
    except ValueError:
        return False
    return True


def _either_way(s: Sketch, x: Operand, y: Operand) -> tuple[Operand, Operand]:
    return (x, y) if s.draw.coin(0.7) else (y, x)


_ARITHMETIC = (*FLOATS * 2, np.int64, np.int32)


@draws(7, "Add", weight=5)
@draws(7, "Mul", weight=3)
@draws(7, "Sub", weight=2)
def arithmetic(s: Sketch, op_type: str) -> Step:
    """Broadcast either way; of small integers since opset 14; also a value with itself."""
    x = s.some(NUMBERS if s.opset >= 14 else _ARITHMETIC)
    return s.step(op_type, *_either_way(s, x, partner(s, x)))


@draws(7, "Div")
def division(s: Sketch, op_type: str) -> Step:
    """By what is not near to zero."""
    x = s.some(NUMBERS if s.opset >= 14 else _ARITHMETIC)
    return s.step(op_type, x, partner(s, x, positive=True))


@draws(10, "Mod")
def modulo(s: Sketch, op_type: str) -> Step:
    """By positive numbers; of floats always as C has it."""
    x = s.some((np.float32, np.int64, np.int32))
    floating = x.array.dtype.kind == "f"
    return s.step(op_type, x, partner(s, x, positive=True), fmod=1 if floating else s.draw.choose([None, 0, 1]))


@draws(7, "Pow")
def power(s: Sketch, op_type: str) -> Step:
    """Positive bases, or small whole exponents; of another type since opset 12."""
    if s.draw.coin():
        x = s.some((np.float32, np.float32, np.float64), where=lambda x: bool((x > 0.1).all()))
        if bool((x.array > 0.1).all()):
            return s.step(op_type, x, partner(s, x))
    x = s.some((np.float32, np.float32, np.float64))
    dtype = s.draw.choose([x.array.dtype, np.int64, np.int32]) if s.opset >= 12 else x.array.dtype
    shape = s.draw.choose([(), (1,), x.array.shape[-1:]])
    return s.step(op_type, x, Operand(np.asarray(s.draw.rng.integers(0, 4, shape), dtype), kind="weight"))


@draws(7, "PRelu")
def parametric_relu(s: Sketch, op_type: str) -> Step:
    """One slope, one a channel, one an element."""
    x = s.some(ranks=(1, 5))
    shape = x.array.shape
    ways = [(), (1,), shape, shape[-1:], (shape[1], *(1,) * (len(shape) - 2)) if len(shape) > 2 else (1,)]
    return s.step(op_type, x, s.weight(s.array(s.draw.choose(ways), x.array.dtype)))


@draws(8, "Sum", weight=2)
@draws(8, "Mean", "Max", "Min")
def several(s: Sketch, op_type: str) -> Step:
    """One to four operands; of integers the extremes since opset 12."""
    whole = (np.int64, np.int32) if op_type in ("Max", "Min") and s.opset >= 12 else ()
    x = s.some((*FLOATS, *whole))
    return s.step(op_type, x, *(partner(s, x) for _ in range(s.draw.number(0, 3))))


@draws(7, "Equal", "Greater", "Less")
@draws(12, "GreaterOrEqual", "LessOrEqual")
def compared(s: Sketch, op_type: str) -> Step:
    """Of integers, and of floats as the opset has them."""
    old = {"Equal": 11, "Greater": 7, "Less": 7}.get(op_type, 12)
    whole = (np.int64, np.int32) if op_type == "Equal" or s.opset >= 9 else ()
    x = s.some((*whole * 2, *(FLOATS if s.opset >= old else ()), *((np.bool_,) if op_type == "Equal" else ())))
    return s.step(op_type, *_either_way(s, x, partner(s, x)))


@draws(7, "And", "Or", "Xor")
def combined(s: Sketch, op_type: str) -> Step:
    """Of truths."""
    x = s.some((np.bool_,))
    return s.step(op_type, *_either_way(s, x, partner(s, x)))


@draws(7, "Not")
def negated(s: Sketch, op_type: str) -> Step:
    """Of truths."""
    return s.step(op_type, s.some((np.bool_,)))


@draws(9, "Where")
def where(s: Sketch, op_type: str) -> Step:
    """All three broadcast."""
    x = s.some((*FLOATS * 2, np.int64, np.int32))
    condition = s.some(
        (np.bool_,), where=lambda c: _broadcasts(c.shape, x.array.shape), make=lambda d: s.array((1,), d)
    )
    return s.step(op_type, condition, *_either_way(s, x, partner(s, x)))
