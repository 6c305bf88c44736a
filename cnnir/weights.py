"""Weights as lazy expressions: shape, element type, and a way to get the bytes.

Planning a network needs the shapes of its weights, never their contents: VGG-19 loads without allocating its 548 MiB.
A weight is a fill, a range of a file, an array or a seeded draw; reshaped, transposed or sliced it stays lazy.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from cnnir.errors import CnnirError, within_memory
from cnnir.types import DType, TensorType

AnyArray: TypeAlias = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Weight(ABC):
    """A constant tensor whose contents are made when they are asked for; compared by `equals`, hashed by identity."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def type(self) -> TensorType:
        """Element type and shape."""
        return TensorType(self.dtype, self.shape)

    @abstractmethod
    def array(self) -> AnyArray:
        """The contents, of `shape`; read-only where it is a view of something shared."""

    @abstractmethod
    def reference(self) -> str | None:
        """Text from which the weight can be made again, None when only its contents could tell."""

    def reshaped(self, shape: tuple[int, ...]) -> "Weight":
        """The same elements in row-major order under another shape of equally many elements."""
        return self if shape == self.shape else Reshaped(self.dtype, shape, self)

    def transposed(self, permutation: tuple[int, ...]) -> "Weight":
        """Axis i of the result is axis ``permutation[i]`` of this weight."""
        if permutation == tuple(range(len(self.shape))):
            return self
        return Transposed(self.dtype, tuple(self.shape[axis] for axis in permutation), self, permutation)

    def sliced(self, ranges: tuple[slice, ...]) -> "Weight":
        """One slice an axis, as NumPy's basic indexing takes them."""
        return Sliced(self.dtype, _sliced_shape(self.shape, ranges), self, ranges)

    def equals(self, other: "Weight") -> bool:
        """True when type and contents, to the bit, are the same."""
        if self is other or (self.reference() is not None and self.reference() == other.reference()):
            return self.type == other.type
        if self.type != other.type:
            return False
        ours, theirs = np.ascontiguousarray(self.array()), np.ascontiguousarray(other.array())
        if ours.dtype == object:
            return bool(np.array_equal(ours, theirs))
        return bool(np.array_equal(ours.reshape(-1).view(np.uint8), theirs.reshape(-1).view(np.uint8)))


@dataclass(frozen=True, eq=False)
class Fill(Weight):
    """Every element the same: what ConstantOfShape makes. Takes no memory, whatever its shape."""

    value: Any
    """A NumPy scalar of `dtype`."""

    def array(self) -> AnyArray:
        with within_memory(size=math.prod(self.shape) * self.dtype.numpy.itemsize):
            return np.broadcast_to(np.asarray(self.value, self.dtype.numpy), self.shape)

    def reference(self) -> str | None:
        if self.dtype is DType.STRING:
            return None
        return f"fill(0x{np.asarray(self.value, self.dtype.numpy).tobytes().hex()})"

    def reshaped(self, shape: tuple[int, ...]) -> Weight:
        return Fill(self.dtype, shape, self.value)

    def transposed(self, permutation: tuple[int, ...]) -> Weight:
        return Fill(self.dtype, tuple(self.shape[axis] for axis in permutation), self.value)

    def sliced(self, ranges: tuple[slice, ...]) -> Weight:
        return Fill(self.dtype, _sliced_shape(self.shape, ranges), self.value)


@dataclass(frozen=True, eq=False)
class Array(Weight):
    """Contents held in memory."""

    contents: AnyArray

    @classmethod
    def of(cls, contents: AnyArray) -> "Array":
        """The weight with these contents; they are shared, not copied, and must not change afterwards."""
        return cls(DType.of(contents.dtype), contents.shape, contents)

    def array(self) -> AnyArray:
        view = self.contents.view()
        view.flags.writeable = False
        return view

    def reference(self) -> str | None:
        return None


_maps: WeakValueDictionary[tuple[object, ...], AnyArray] = WeakValueDictionary()
"""Files that are mapped now; the weights of one file share a map."""


def _mapped(path: Path) -> AnyArray:
    """The whole file as read-only bytes, nothing of it read yet."""
    try:
        found = path.stat()
        key = (path.resolve(), found.st_ino, found.st_size, found.st_mtime_ns)
        if (known := _maps.get(key)) is not None:
            return known
        _maps[key] = mapped = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:
        raise CnnirError(
            "external-data", "the file with the weight's data cannot be mapped", node=str(path), got=error
        ) from error
    return mapped


@dataclass(frozen=True, eq=False)
class FileRange(Weight):
    """Little-endian, row-major elements in a file (ONNX external data), mapped and not read."""

    path: Path
    offset: int
    length: int
    _mapped: AnyArray | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        # Mapped now, so that the weight stays what it is when another file is renamed to this name.
        object.__setattr__(self, "_mapped", _mapped(self.path) if self.length else None)

    def array(self) -> AnyArray:
        if self._mapped is None:
            return np.empty(self.shape, self.dtype.numpy)
        raw = self._mapped[self.offset : self.offset + self.length]
        if self.dtype.bits is not None and self.dtype.bits < 8:
            return unpack(np.asarray(raw), self.dtype, self.shape)
        return raw.view(self.dtype.numpy).reshape(self.shape)

    def reference(self) -> str | None:
        return None


@dataclass(frozen=True, eq=False)
class Seeded(Weight):
    """Normally distributed elements from a seed: initial weights of a network still to be trained.

    The draw depends on seed, key and shape alone (NumPy's PCG64), so that a network is the same on every machine.
    """

    seed: int
    key: int
    """Tells weights of one network apart; a hash of the name, say."""
    scale: float
    """Standard deviation."""

    def array(self) -> AnyArray:
        generator = np.random.default_rng([self.seed, self.key])
        return generator.normal(0.0, self.scale, self.shape).astype(self.dtype.numpy)

    def reference(self) -> str | None:
        return f"seeded({self.seed}, {self.key}, {float(self.scale)!r})"


@dataclass(frozen=True, eq=False)
class _View(Weight):
    """A weight seen through another shape; as lazy as its base."""

    base: Weight

    def reference(self) -> str | None:
        return None


@dataclass(frozen=True, eq=False)
class Reshaped(_View):
    """The base's elements in row-major order under another shape."""

    def array(self) -> AnyArray:
        return self.base.array().reshape(self.shape)

    def reshaped(self, shape: tuple[int, ...]) -> Weight:
        return self.base.reshaped(shape)


@dataclass(frozen=True, eq=False)
class Transposed(_View):
    """The base with its axes permuted."""

    permutation: tuple[int, ...]

    def array(self) -> AnyArray:
        return self.base.array().transpose(self.permutation)


@dataclass(frozen=True, eq=False)
class Sliced(_View):
    """A rectangular part of the base."""

    ranges: tuple[slice, ...]

    def array(self) -> AnyArray:
        return self.base.array()[self.ranges]


@dataclass(frozen=True, eq=False)
class Computed(Weight):
    """Contents that a function makes of other weights, when they are first asked for; kept from then on.

    What a rewrite makes of weights (a folded normalisation, a factor of a matrix) costs nothing until it is used.
    """

    make: Callable[[], AnyArray]
    """Gives an array of this weight's shape; it is brought to this weight's element type."""

    @cached_property
    def _made(self) -> AnyArray:
        size = math.prod(self.shape) * self.dtype.numpy.itemsize
        with np.errstate(all="ignore"), within_memory(size=size):
            array = np.asarray(self.make()).astype(self.dtype.numpy, copy=False)
        if array.shape != self.shape:
            raise CnnirError(
                "tensor-data", "a computed weight has the wrong shape", expected=self.shape, got=array.shape
            )
        array = array.view()
        array.flags.writeable = False
        return array

    def array(self) -> AnyArray:
        return self._made

    def reference(self) -> str | None:
        return None


def _sliced_shape(shape: tuple[int, ...], ranges: tuple[slice, ...]) -> tuple[int, ...]:
    lengths = [len(range(*part.indices(size))) for size, part in zip(shape, ranges, strict=False)]
    return (*lengths, *shape[len(ranges) :])


def unpack(raw: NDArray[np.uint8], dtype: DType, shape: tuple[int, ...]) -> AnyArray:
    """Sub-byte elements, the first in the low bits (onnx.proto3, ``TensorProto``), as one byte an element."""
    bits, count = dtype.bits or 8, math.prod(shape)
    stream = np.unpackbits(raw, bitorder="little")[: count * bits]
    codes = np.packbits(stream.reshape(count, bits), axis=1, bitorder="little").reshape(-1)
    if dtype.is_integer and not dtype.value.startswith("u"):
        signed = codes.astype(np.int8)
        codes = np.where(signed >= 1 << (bits - 1), signed - (1 << bits), signed)
        return codes.astype(np.int8).astype(dtype.numpy).reshape(shape)
    if dtype.is_integer:
        return codes.astype(dtype.numpy).reshape(shape)
    return codes.astype(np.uint8).view(dtype.numpy).reshape(shape)
