"""Resampling of a tensor along its axes. ONNX operator specification: Resize."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from cnnir.dims import UNKNOWN, Dim, Shape, decide_at_least, is_known
from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, single
from cnnir.types import Type

Mode: TypeAlias = Literal["nearest", "linear", "cubic"]
Coordinates: TypeAlias = Literal[
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"
]
Rounding: TypeAlias = Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]

Policy: TypeAlias = Literal["stretch", "not_larger", "not_smaller"]

MODES: tuple[Mode, ...] = ("nearest", "linear", "cubic")
COORDINATES: tuple[Coordinates, ...] = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)
ROUNDINGS: tuple[Rounding, ...] = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
POLICIES: tuple[Policy, ...] = ("stretch", "not_larger", "not_smaller")


@dataclass(frozen=True)
class Resize(Op):
    """Each axis resampled to ``floor(size * scale)`` elements, or to the sizes given.

    Cubic: Keys, "Cubic convolution interpolation for digital image processing" (1981).
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
    cubic_coeff_a: float = -0.75
    """Of the cubic kernel; the default for other modes."""
    antialias: bool = False
    """Where an axis shrinks, the kernel of `linear` and `cubic` is widened by that much; False for `nearest`."""
    exclude_outside: bool = False
    """Neighbours outside of the tensor weigh nothing, not what those at its edge are; False where it is the same."""
    roi: tuple[float, ...] | None = None
    """What ``tf_crop_and_resize`` cuts out: all starts, then all ends, one an axis, of the length from the first
    element to the last one. None, with other coordinates, is all of it."""
    extrapolation: float = 0.0
    """What ``tf_crop_and_resize`` gives for positions outside of the tensor; 0 with other coordinates."""
    policy: Policy = "stretch"
    """Whether sizes are met as they are, or bound what one scale for all of these axes gives."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("X"),)
    singles: ClassVar[tuple[str, ...]] = ("cubic_coeff_a", "extrapolation")

    def __post_init__(self) -> None:
        super().__post_init__()
        # One meaning, one form: ops are compared by their attributes.
        if self.mode != "nearest" and self.rounding in ROUNDINGS:
            object.__setattr__(self, "rounding", ROUNDINGS[0])
        if self.mode == "nearest":
            object.__setattr__(self, "antialias", False)
        if self.mode != "cubic":
            object.__setattr__(self, "cubic_coeff_a", -0.75)
        if self.mode != "cubic" and not self.antialias:
            object.__setattr__(self, "exclude_outside", False)
        crops = self.coordinates == "tf_crop_and_resize"
        object.__setattr__(self, "roi", tuple(map(single, self.roi)) if crops and self.roi is not None else None)
        object.__setattr__(self, "extrapolation", self.extrapolation if crops else 0.0)
        if self.sizes is None and self.policy in POLICIES:
            object.__setattr__(self, "policy", POLICIES[0])

    def check(self, inputs: Inputs) -> None:
        rank = inputs.tensor(0).rank
        for name, value, known in (
            ("mode", self.mode, MODES),
            ("coordinates", self.coordinates, COORDINATES),
            ("rounding", self.rounding, ROUNDINGS),
            ("policy", self.policy, POLICIES),
        ):
            if value not in known:
                raise CnnirError("resize-mode", f"{name} is not defined here", expected=" or ".join(known), got=value)
        self._check_crop(rank)
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
            sizes = self._policed(data.shape)
            for axis, (dim, size) in enumerate(zip(data.shape, sizes, strict=True)):
                if size is not None and decide_at_least(size, 1):
                    facts.require_at_least(dim, 1, "resize-empty", f"axis {axis} has nothing to resample")
            pairs = zip(data.shape, sizes, strict=True)
            return (data.with_shape(tuple(dim if size is None else size for dim, size in pairs)),)
        scaled = [_scaled(dim, scale) for dim, scale in zip(data.shape, self.scales or (), strict=True)]
        return (data.with_shape(tuple(scaled)),)

    def cut(self, axis: int) -> tuple[float, float]:
        """Start and end of what is cut out along an axis, of the length from the first element to the last one."""
        return (0.0, 1.0) if self.roi is None else (self.roi[axis], self.roi[axis + len(self.roi) // 2])

    def axis_scales(self, sizes: tuple[int, ...], targets: tuple[int, ...]) -> tuple[float, ...]:
        """The scale of each axis; from sizes it is the quotient, or the one that the policy has for all."""
        if self.scales is not None:
            return self.scales
        scale = self.policy_scale(sizes)
        if scale is not None:
            return tuple(1.0 if size is None else float(scale) for size in self.sizes or ())
        return tuple(target / size if size else 1.0 for size, target in zip(sizes, targets, strict=True))

    def policy_scale(self, shape: Shape) -> Fraction | None:
        """The one scale for all axes that have sizes; None without a policy, or where sizes are open or empty."""
        pairs = [(size, dim) for size, dim in zip(self.sizes or (), shape, strict=True) if size is not None]
        scales = [Fraction(size, dim) for size, dim in pairs if is_known(size) and is_known(dim) and dim]
        if self.policy == "stretch" or not scales or len(scales) < len(pairs):
            return None
        return min(scales) if self.policy == "not_larger" else max(scales)

    def _check_crop(self, rank: int) -> None:
        crops = self.coordinates == "tf_crop_and_resize"
        if crops and self.antialias:
            raise CnnirError("resize-mode", "antialias beside cropping is not defined here")
        if crops and (self.roi is None or len(self.roi) != 2 * rank or not all(map(math.isfinite, self.roi))):
            raise CnnirError("resize-roi", "a start and an end an axis are needed", expected=2 * rank, got=self.roi)
        if self.scales is not None and any(self.cut(axis) != (0.0, 1.0) for axis in range(rank if crops else 0)):
            # By the text the share that is cut out is scaled; ONNX's own inference and runtimes scale the whole.
            raise CnnirError("resize-mode", "cropping to scales is not defined here")
        for axis, size in enumerate(self.sizes or ()):
            if crops and size is None and self.cut(axis) != (0.0, 1.0):
                raise CnnirError("resize-roi", f"axis {axis} keeps its size, but not all of it is taken", got=self.roi)

    def _policed(self, shape: Shape) -> tuple[Dim | None, ...]:
        """The sizes as the policy has them; unknown while it is not known which axis bounds the scale."""
        sizes = self.sizes or ()
        scale = self.policy_scale(shape)
        if self.policy == "stretch":
            return sizes
        pairs = zip(shape, sizes, strict=True)
        return tuple(
            None if size is None else UNKNOWN if scale is None or not is_known(dim) else math.floor(scale * dim + _HALF)
            for dim, size in pairs
        )


_HALF = Fraction(1, 2)

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
