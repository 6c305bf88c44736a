"""Ops that move no data or only permute it: the same elements under another shape."""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.dims import UNKNOWN, Dim, Shape, decide_equal, is_known, product
from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, normalize_axis
from cnnir.types import DType, TensorType, Type, UnknownType


@dataclass(frozen=True)
class Reshape(Op):
    """The same elements in row-major order under another shape. ONNX operator specification: Reshape."""

    shape: Shape
    """A -1 stands for what is left, a 0 for the input's dim at that place (unless `allowzero`)."""
    allowzero: bool = False

    view: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        inputs.tensor(0)
        if any(is_known(dim) and dim < -1 for dim in self.shape) or self.shape.count(-1) > 1:
            raise CnnirError("reshape-target", "no such target shape", got=list(self.shape))
        if self.allowzero and 0 in self.shape and -1 in self.shape:
            raise CnnirError("reshape-target", "0 and -1 together leave the shape open", got=list(self.shape))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        target = [self._dim(axis, data.shape) for axis in range(len(self.shape))]
        if -1 in target:
            others = product(dim for dim in target if dim != -1)
            rest = target.index(-1)
            target[rest] = self._rest(data.elements, others, facts)
        facts.require_equal(
            data.elements,
            product(target),
            "reshape-size",
            f"{data} does not reshape to [{', '.join(map(str, self.shape))}]",
            "the network is tied to one input size, often by a fully connected layer; use the size it was made for",
        )
        return (data.with_shape(tuple(target)),)

    def _dim(self, axis: int, shape: Shape) -> Dim:
        if self.shape[axis] != 0 or self.allowzero:
            return self.shape[axis]
        if axis >= len(shape):
            raise CnnirError("reshape-target", f"a 0 at axis {axis} copies a dim that the input lacks", got=list(shape))
        return shape[axis]

    def _rest(self, elements: Dim, others: Dim, facts: Facts) -> Dim:
        if elements == UNKNOWN or others == UNKNOWN:
            return UNKNOWN
        if others == 0:
            raise CnnirError("reshape-target", "-1 beside a dim of 0 leaves the shape open", got=list(self.shape))
        facts.require_equal(elements % others, 0, "reshape-size", f"{elements} elements do not divide by {others}")
        return elements // others


@dataclass(frozen=True)
class Flatten(Op):
    """Two dims: the product of those before `axis`, and of those from it on. ONNX operator specification: Flatten."""

    axis: int = 1

    view: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        rank = inputs.tensor(0).rank
        if not -rank <= self.axis <= rank:
            raise CnnirError("axis", "axis outside the tensor's rank", expected=f"-{rank} to {rank}", got=self.axis)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        axis = self.axis if self.axis >= 0 else self.axis + data.rank
        return (data.with_shape((product(data.shape[:axis]), product(data.shape[axis:]))),)


@dataclass(frozen=True)
class Unsqueeze(Op):
    """New dims of size 1 at `axes` of the output. ONNX operator specification: Unsqueeze."""

    axes: tuple[int, ...]
    """Positions in the output, counted from the front or, when negative, from the back."""

    view: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        rank = inputs.tensor(0).rank + len(self.axes)
        if len({normalize_axis(axis, rank) for axis in self.axes}) != len(self.axes):
            raise CnnirError("axis", "an axis is named twice", got=list(self.axes))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        rank = data.rank + len(self.axes)
        new = {normalize_axis(axis, rank) for axis in self.axes}
        old = iter(data.shape)
        return (data.with_shape(tuple(1 if axis in new else next(old) for axis in range(rank))),)


@dataclass(frozen=True)
class Squeeze(Op):
    """Dims of size 1 dropped: those at `axes`, or all when None. ONNX operator specification: Squeeze."""

    axes: tuple[int, ...] | None = None

    view: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        for axis in self.axes or ():
            normalize_axis(axis, inputs.tensor(0).rank)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        if self.axes is None:
            dropped = {axis for axis, dim in enumerate(data.shape) if self._is_one(axis, dim)}
        else:
            dropped = {normalize_axis(axis, data.rank) for axis in self.axes}
            for axis in sorted(dropped):
                facts.require_equal(data.shape[axis], 1, "squeeze-size", f"axis {axis} cannot be squeezed")
        return (data.with_shape(tuple(dim for axis, dim in enumerate(data.shape) if axis not in dropped)),)

    @staticmethod
    def _is_one(axis: int, dim: Dim) -> bool:
        decided = decide_equal(dim, 1)
        if decided is None:
            raise CnnirError(
                "squeeze-rank",
                f"whether axis {axis} has size 1 decides the rank",
                got=dim,
                hint="bind it, or name the axes",
            )
        return decided


@dataclass(frozen=True)
class Transpose(Op):
    """Axis i of the output is axis ``permutation[i]`` of the input. ONNX operator specification: Transpose."""

    permutation: tuple[int, ...]

    def check(self, inputs: Inputs) -> None:
        rank = inputs.tensor(0).rank
        if sorted(self.permutation) != list(range(rank)):
            raise CnnirError("transpose", f"no permutation of {rank} axes", got=list(self.permutation))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        return (data.with_shape(tuple(data.shape[axis] for axis in self.permutation)),)


@dataclass(frozen=True)
class Identity(Op):
    """The value itself, of any type. ONNX operator specification: Identity."""

    view: ClassVar[bool] = True

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (inputs.type(0),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (inputs.type(0),)


@dataclass(frozen=True)
class Dropout(Op):
    """The identity, outside of training. ONNX operator specification: Dropout, in inference form."""

    ratio: float = 0.5
    """Kept for whoever trains the network further."""
    with_mask: bool = False
    """A second output: which elements were kept; all of them."""
    seed: int | None = None
    """Of the draws in training; kept likewise."""

    singles: ClassVar[tuple[str, ...]] = ("ratio",)

    view: ClassVar[bool] = True

    @property
    def num_outputs(self) -> int:
        return 2 if self.with_mask else 1

    def check(self, inputs: Inputs) -> None:
        inputs.tensor(0)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        return (data, TensorType(DType.BOOL, data.shape)) if self.with_mask else (data,)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype(0)), UnknownType(DType.BOOL))[: self.num_outputs]
