"""Casts, down to floats of 8, 6 and 4 bits: each number is rounded once, from what it is, to what the type holds.

The tables of ONNX's operator specification: Cast; Micikevicius et al., "FP8 Formats for Deep Learning" (2022), and the
OCP Microscaling Formats specification 1.0 (2023) for ``e8m0`` and the narrower ones.
"""

import functools
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnir.interpreter.kernels.base import kernels, present
from cnnir.ops import Cast
from cnnir.ops.elements import NARROW_FLOATS
from cnnir.ops.elementwise import Rounding
from cnnir.types import DType
from cnnir.weights import AnyArray

Doubles = NDArray[np.float64]

_POWER = 127
"""Exponents of ``e8m0`` reach so far on both sides of 0, which is also the bias of its codes."""

_NOT_A_NUMBER = 0xFF
"""Its code that stands for no number."""


@kernels.rule(Cast)
def cast(op: Cast, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Floats to integers truncate; what does not fit is undefined in ONNX, so it does not warn."""
    x, out = plain(present(inputs, 0)), outputs[0]
    if NARROW_FLOATS.holds(op.to):
        out[...] = narrowed(x, op.to, saturate=op.saturate, rounding=op.rounding)
        return
    with np.errstate(invalid="ignore", over="ignore"):
        np.copyto(out, x.astype(out.dtype))


def plain(array: AnyArray) -> AnyArray:
    """The same numbers in a type that NumPy itself has: those that it lacks do not all cast to each other."""
    dtype = DType.of(array.dtype)
    if dtype.is_float and array.dtype.kind != "f":
        return array.astype(np.float32)
    return array.astype(np.int32) if dtype.is_packed else array


def narrowed(x: AnyArray, dtype: DType, *, saturate: bool, rounding: Rounding = "up") -> AnyArray:
    """The numbers in a float type of 8 bits or fewer.

    Args:
        x: Of a type that NumPy has.
        dtype: The narrow type.
        saturate: What is too large becomes the largest number; else infinity, or NaN where the type has none. Types
            of 6 and 4 bits have neither, and always saturate.
        rounding: For ``e8m0``, the powers of two: which one a number between two becomes.
    """
    wide = _wide(x)
    if dtype is DType.FLOAT8E8M0:
        return _power_of_two(wide, saturate=saturate, rounding=rounding).view(dtype.numpy)
    limits = _limits(dtype)
    fraction, exponent = np.frexp(wide)
    # Distances between neighbours: those of the number's own binade, but not below those of the subnormal numbers.
    step = np.maximum(exponent - 1, limits.minexp) - limits.nmant
    rounded = np.ldexp(np.rint(np.ldexp(fraction, exponent - step)), step)
    largest = float(limits.max)
    if saturate or dtype.is_packed:
        rounded = np.clip(rounded, -largest, largest)
    # Exact from here on, so that a second rounding changes nothing; what lies beyond the largest is ml_dtypes' matter.
    with np.errstate(over="ignore", invalid="ignore"):
        found: AnyArray = rounded.astype(np.float32).astype(dtype.numpy)
    return found


def _wide(x: AnyArray) -> Doubles:
    """Numbers in float64; of whole numbers that it does not hold the last bit says that something was cut off.

    That is rounding to odd (Boldo and Melquiond, 2008), after which a rounding to far fewer bits is right.
    """
    if x.dtype.kind not in "iu" or x.dtype.itemsize < 8:
        return x.astype(np.float64)
    cut = x & x.dtype.type(2**11 - 1)
    odd = np.where((np.abs(x.astype(np.float64)) >= 2**53) & (cut != 0), (x - cut) | x.dtype.type(2**11), x)
    return odd.astype(np.float64)


def _power_of_two(x: Doubles, *, saturate: bool, rounding: Rounding) -> NDArray[np.uint8]:
    """Codes of ``e8m0``: 0, negative and too small numbers become the smallest one when saturated, else NaN."""
    fraction, exponent = np.frexp(np.where(np.isfinite(x), x, 1.0))
    # Half of what frexp gives as a fraction belongs to the power: 0.5 is the power itself.
    below = {"down": exponent - 1, "up": exponent - 1 + (fraction > 0.5), "nearest": exponent - 1 + (fraction >= 0.75)}
    smallest, largest = 2.0**-_POWER, 2.0**_POWER
    power = np.where(x <= smallest, -_POWER, np.where(x >= largest, _POWER, below[rounding]))
    valid = ~np.isnan(x) if saturate else (x >= smallest) & (x <= largest)
    return np.where(valid, power + _POWER, _NOT_A_NUMBER).astype(np.uint8)


@functools.cache
def _limits(dtype: DType) -> Any:
    return importlib.import_module("ml_dtypes").finfo(dtype.numpy)
