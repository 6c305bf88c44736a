"""Resampling of a tensor along its axes. ONNX operator specification: Resize."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from cnnir.dims import UNKNOWN, Dim, decide_at_least, is_known
from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, single
from cnnir.types import Type

Mode: TypeAlias = Literal["nearest", "linear"]
Coordinates: TypeAlias = Literal[
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"
]
Rounding: TypeAlias = Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]

MODES: tuple[Mode, ...] = ("nearest", "linear")
COORDINATES: tuple[Coordinates, ...] = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
)
ROUNDINGS: tuple[Rounding, ...] = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@dataclass(frozen=True)
class Resize(Op):
    """Each axis resampled to ``floor(size * scale)`` elements, or to the sizes given.

    Not defined here: cubic interpolation, antialiasing and cropping (``tf_crop_and_resize``).
    """

    scales: tuple[float, ...] | None = None
    """One an axis; None when `sizes` are given."""
    sizes: tuple[Dim | None, ...] | None = None
    """One an axis, None for an axis that keeps its size whatever it is; None when `scales` are given."""
    mode: Mode = "nearest"
    coordinates: Coordinates = "half_pixel"
    """How an output position is taken back to the input."""
    rounding: Rounding = "round_prefer_floor"
    """Which neighbour `nearest` takes; the default where it takes none."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("X"),)

    def __post_init__(self) -> None:
        # One meaning, one form: ops are compared by their attributes.
        if self.mode == "linear" and self.rounding in ROUNDINGS:
            object.__setattr__(self, "rounding", ROUNDINGS[0])

    def check(self, inputs: Inputs) -> None:
        rank = inputs.tensor(0).rank
        for name, value, known in (
            ("mode", self.mode, MODES),
            ("coordinates", self.coordinates, COORDINATES),
            ("rounding", self.rounding, ROUNDINGS),
        ):
            if value not in known:
                raise CnnirError("resize-mode", f"{name} is not defined here", expected=" or ".join(known), got=value)
        given = [part for part in (self.scales, self.sizes) if part is not None]
        if len(given) != 1 or len(given[0]) != rank:
            raise CnnirError(
                "resize-target", "either scales or sizes are needed, one an axis", expected=rank, got=given
            )
        if not all(0 < scale < math.inf for scale in self.scales or ()):
            raise CnnirError("resize-target", "a scale must be positive and finite", got=self.scales)
        if any(size is not None and is_known(size) and size < 0 for size in self.sizes or ()):
            raise CnnirError("resize-target", "a size cannot be negative", got=list(self.sizes or ()))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        if self.sizes is not None:
            for axis, (dim, size) in enumerate(zip(data.shape, self.sizes, strict=True)):
                if size is not None and decide_at_least(size, 1):
                    facts.require_at_least(dim, 1, "resize-empty", f"axis {axis} has nothing to resample")
            pairs = zip(data.shape, self.sizes, strict=True)
            return (data.with_shape(tuple(dim if size is None else size for dim, size in pairs)),)
        scaled = [_scaled(dim, scale) for dim, scale in zip(data.shape, self.scales or (), strict=True)]
        return (data.with_shape(tuple(scaled)),)

    def axis_scales(self, sizes: tuple[int, ...], targets: tuple[int, ...]) -> tuple[float, ...]:
        """The scale of each axis; from sizes it is the quotient."""
        if self.scales is not None:
            return self.scales
        return tuple(target / size if size else 1.0 for size, target in zip(sizes, targets, strict=True))


_EXACT_NUMERATOR = 2**8
"""A product of a size up to 2**16 and a numerator up to this is exact in the 24 bits of float32."""


def _scaled(dim: Dim, scale: float) -> Dim:
    """``floor(dim * scale)``, the product rounded to float32 as in ONNX Runtime.

    A formula has no rounding. For an open size there is one only where no product is rounded: the scale is a binary
    fraction with a small numerator (2, 1.5, 0.375). Else the size stays unknown until it is bound: 0.7 times 10 is
    rounded up to 7, while the float32 nearest to 0.7, which is less, would give 6.
    """
    if is_known(dim):
        with np.errstate(over="ignore"):
            scaled = float(np.float32(dim) * np.float32(scale))
        if not math.isfinite(scaled):
            raise CnnirError("resize-target", "the scaled size is beyond all numbers", got=f"{dim} * {scale}")
        return math.floor(scaled)
    numerator, denominator = single(scale).as_integer_ratio()
    return dim * numerator // denominator if numerator <= _EXACT_NUMERATOR else UNKNOWN
