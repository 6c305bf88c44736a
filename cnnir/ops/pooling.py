"""Pooling over the spatial axes; the layout is batch, channels, spatial axes."""

from dataclasses import dataclass

from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, require_floats, require_numbers
from cnnir.ops.window import AutoPad, Window
from cnnir.types import DType, TensorType, Type, UnknownType


@dataclass(frozen=True)
class Pool(Op):
    """Base of the pooling ops with a window."""

    kernel_shape: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...] = ()
    """Empty when all are one, also when that was spelled out."""
    auto_pad: AutoPad = "NOTSET"
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        # One meaning, one form: ops are compared by their attributes.
        if len(self.dilations) == len(self.kernel_shape) and all(step == 1 for step in self.dilations):
            object.__setattr__(self, "dilations", ())

    @property
    def window(self) -> Window:
        """The window that slides."""
        dilations = self.dilations or (1,) * len(self.kernel_shape)
        return Window(self.kernel_shape, self.strides, self.pads, dilations, self.auto_pad, self.ceil_mode)

    def check(self, inputs: Inputs) -> None:
        self.window.check()
        inputs.rank(0, 2 + len(self.kernel_shape), 2 + len(self.kernel_shape))
        require_numbers(inputs)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        sizes = self.window.output_sizes(data.shape[2:], facts)
        return (data.with_shape((*data.shape[:2], *sizes)),)


@dataclass(frozen=True)
class MaxPool(Pool):
    """The maximum over each window; padding never wins. ONNX operator specification: MaxPool."""

    with_indices: bool = False
    """A second output: for each maximum its flat index in the whole input, int64."""
    storage_order: int = 0
    """Of the flat index within a map: 0 row-major, 1 column-major."""

    @property
    def num_outputs(self) -> int:
        return 2 if self.with_indices else 1

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        (maxima,) = super().infer(inputs, facts)
        if not self.with_indices or not isinstance(maxima, TensorType):
            return (maxima,)
        return maxima, TensorType(DType.INT64, maxima.shape)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype(0)), UnknownType(DType.INT64))[: self.num_outputs]


@dataclass(frozen=True)
class AveragePool(Pool):
    """The mean over each window. ONNX operator specification: AveragePool."""

    count_include_pad: bool = False
    """Whether padding counts in the divisor; what `ceil_mode` lets a window reach beyond the padding never does."""

    def check(self, inputs: Inputs) -> None:
        super().check(inputs)
        require_floats(inputs)


@dataclass(frozen=True)
class LpPool(Pool):
    """The p-norm of each window; padding counts as 0. ONNX operator specification: LpPool."""

    p: int = 2

    def check(self, inputs: Inputs) -> None:
        super().check(inputs)
        require_floats(inputs)
        _check_order(self.p)


def _check_order(p: int) -> None:
    if p < 1:
        raise CnnirError("norm-order", "p out of range", expected="at least 1", got=p)


@dataclass(frozen=True)
class GlobalPool(Op):
    """Base of pooling over whole maps: ``[N, C, *sizes] -> [N, C, 1, ...]``."""

    def check(self, inputs: Inputs) -> None:
        inputs.rank(0, 2)
        require_floats(inputs)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        for axis, size in enumerate(data.shape[2:]):
            facts.require_at_least(size, 1, "window-too-large", f"the map is empty on spatial axis {axis}")
        return (data.with_shape((*data.shape[:2], *(1 for _ in data.shape[2:]))),)


@dataclass(frozen=True)
class GlobalAveragePool(GlobalPool):
    """The mean of each map. ONNX operator specification: GlobalAveragePool."""


@dataclass(frozen=True)
class GlobalMaxPool(GlobalPool):
    """The maximum of each map. ONNX operator specification: GlobalMaxPool."""


@dataclass(frozen=True)
class GlobalLpPool(GlobalPool):
    """The p-norm of each map. ONNX operator specification: GlobalLpPool."""

    p: int = 2

    def check(self, inputs: Inputs) -> None:
        super().check(inputs)
        _check_order(self.p)
