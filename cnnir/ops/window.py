"""Arithmetic of sliding windows, shared by convolution and pooling.

Sizes follow ONNX's operator specification (Conv, MaxPool, AveragePool): along one axis, a window of
``d * (F - 1) + 1`` cells at stride S over a map of W cells with padding P on both sides fits
``floor((W + P_begin + P_end - d * (F - 1) - 1) / S) + 1`` times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cnnir.dims import Dim, ceil_div
from cnnir.errors import CnnirError
from cnnir.ops.base import Facts

AutoPad: TypeAlias = Literal["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]
AUTO_PADS: tuple[AutoPad, ...] = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True, slots=True)
class Window:
    """A window over the spatial axes.

    Attributes:
        kernel: Cells along each axis.
        strides: Steps along each axis.
        pads: Padding in ONNX's layout: all beginnings, then all ends. Ignored unless `auto_pad` is NOTSET.
        dilations: Distance of neighbouring cells along each axis.
        auto_pad: SAME pads so that the output has ceil(size / stride) cells, VALID does not pad.
        ceil_mode: The last window may reach beyond the padded map, as long as it starts inside the map or the
            padding at its beginning.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    auto_pad: AutoPad = "NOTSET"
    ceil_mode: bool = False

    def check(self) -> None:
        """Check the attributes against each other.

        Raises:
            CnnirError: ``window`` when lengths differ or a value is out of range.
        """
        axes = len(self.kernel)
        lengths = {"strides": (self.strides, axes), "pads": (self.pads, 2 * axes), "dilations": (self.dilations, axes)}
        for name, (values, length) in lengths.items():
            if len(values) != length:
                raise CnnirError(
                    "window", f"{name} does not fit {axes} spatial axes", expected=length, got=list(values)
                )
        for name, values, least in (
            ("kernel", self.kernel, 1),
            ("strides", self.strides, 1),
            ("dilations", self.dilations, 1),
            ("pads", self.pads, 0),
        ):
            if any(value < least for value in values):
                raise CnnirError("window", f"{name} out of range", expected=f"at least {least}", got=list(values))
        if self.auto_pad not in AUTO_PADS:
            raise CnnirError("window", "no such auto_pad", expected=" or ".join(AUTO_PADS), got=self.auto_pad)

    def extents(self) -> tuple[int, ...]:
        """Cells from the first to the last of the window along each axis, gaps of the dilation included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    def output_sizes(self, sizes: Sequence[Dim], facts: Facts) -> tuple[Dim, ...]:
        """How often the window fits along each axis.

        Raises:
            CnnirError: ``window-too-large`` when it does not fit once.
        """
        result = []
        axes = len(self.kernel)
        for axis, (size, extent, stride) in enumerate(zip(sizes, self.extents(), self.strides, strict=True)):
            if self.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
                fits: Dim = ceil_div(size, stride)
                shown = size
            else:
                begin, end = (0, 0) if self.auto_pad == "VALID" else (self.pads[axis], self.pads[axis + axes])
                shown = size + begin + end
                fits = _windows(size, begin, end, extent, stride, ceil_mode=self.ceil_mode)
                least = extent - (stride - 1 if self.ceil_mode else 0)
                facts.require_at_least(
                    shown,
                    max(least, 1),
                    "window-too-large",
                    f"the window does not fit on spatial axis {axis} (window {extent}, padded size {shown})",
                    "use a larger input, more padding or a smaller window",
                )
            facts.require_at_least(fits, 1, "window-too-large", f"the output is empty on spatial axis {axis}")
            result.append(fits)
        return tuple(result)

    def resolved_pads(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Explicit padding in ONNX's layout for a map of these sizes.

        SAME pads ``max((ceil(size / stride) - 1) * stride + extent - size, 0)`` cells in all; an odd one goes to the
        end for SAME_UPPER and to the beginning for SAME_LOWER.
        """
        if self.auto_pad == "NOTSET":
            return self.pads
        if self.auto_pad == "VALID":
            return (0,) * (2 * len(self.kernel))
        totals = [
            max((-(-size // stride) - 1) * stride + extent - size, 0)
            for size, extent, stride in zip(sizes, self.extents(), self.strides, strict=True)
        ]
        small = [total // 2 for total in totals]
        large = [total - total // 2 for total in totals]
        return (*small, *large) if self.auto_pad == "SAME_UPPER" else (*large, *small)


def _windows(size: Dim, begin: int, end: int, extent: int, stride: int, *, ceil_mode: bool) -> Dim:
    if not ceil_mode:
        return (size + (begin + end - extent)) // stride + 1
    # The rule "the last window starts inside the map or the padding before it" caps the count at
    # ceil((size + begin) / stride); both counts are ceilings over one numerator, so the smaller shift decides.
    return ceil_div(size + (begin + min(end - extent + stride, 0)), stride)
