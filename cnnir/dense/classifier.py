"""A network and its dense form: which sizes it takes, its score maps, its crops."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnir.dims import Dim, bind, is_known, symbols
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.interpreter import run
from cnnir.ops import Resize
from cnnir.passes import FcToConv, apply
from cnnir.passes.fc_to_conv import image_axes, whole_image_nodes
from cnnir.types import DType, TensorType, outside_int
from cnnir.weights import AnyArray

_PATIENCE = 1024
"""Pixels beyond several native sizes after which a map that has not grown is taken never to grow."""


CROPS_AT_ONCE = 8
"""How many crops run in one batch: weights are then made once for them, and activations still fit into memory."""


@dataclass(frozen=True)
class Classifier:
    """A network and its dense form.

    Attributes:
        crop: The network at its native size, as far as that is known.
        dense: Takes images of any size and gives score maps.
        input: Name of its input.
        axes: Of the image's height and width.
        native: Height and width that the network was made for; None where they are open.
        output: Name of the output.
    """

    crop: Graph
    dense: Graph
    input: str
    axes: tuple[int, int]
    native: tuple[Dim, Dim]
    output: str

    @classmethod
    def of(cls, graph: Graph, output: str | None, native: tuple[int, int] | None = None) -> "Classifier":
        names = [value.name for value in graph.outputs]
        if output is None and len(names) != 1:
            raise CnnirError("usage", "which output's scores?", expected="output=NAME", got=", ".join(names))
        if output is not None and output not in names:
            raise CnnirError("usage", "no such output", expected=" or ".join(names), got=output)
        if len(graph.inputs) != 1:
            raise CnnirError(
                "not-dense",
                "one image is needed, as the only input",
                got=", ".join(value.name for value in graph.inputs),
            )
        axes = image_axes(graph.inputs[0]) or (2, 3)
        if native is not None:
            graph = _at_native_size(graph, axes, native)
        result = apply(graph, FcToConv(dense=True, keep_interface=False))
        if not result.modified:
            refusal = result.refusals[0]
            open_ = "native height" in refusal.reason or "native width" in refusal.reason
            fold = "where the graph computes its own shapes, the pass fold comes first"
            raise CnnirError(
                "not-dense", "the network cannot score every position", node=", ".join(refusal.nodes) or None,
                got=refusal.reason, hint="native=(height, width) says what it was made for" if open_ else fold,
            )  # fmt: skip
        shape = _tensor(graph.inputs[0]).shape
        sizes = (shape[axes[0]], shape[axes[1]])
        return cls(graph, result.graph, graph.inputs[0].name, axes, sizes, output or names[0])

    def require_windows(self) -> None:
        """Demand that every score comes from a window of the image.

        Raises:
            CnnirError: ``whole-image`` naming the nodes that look at all of it.
        """
        read = {self.dense.value(self.output)}
        for node in reversed(self.dense.nodes):
            if any(value in read for value in node.outputs):
                read.update(node.operands)
        found = [(node, why) for node, why in whole_image_nodes(self.dense) if any(out in read for out in node.outputs)]
        if found:
            raise CnnirError(
                "whole-image", "a score would depend on the whole image", got=found[0][1],
                node=", ".join(node.label for node, _ in found),
                hint='crops="exact" scores each crop by itself, allow="whole-image" takes the scores as they are',
            )  # fmt: skip

    def bindings(self, height: int, width: int) -> dict[str, int]:
        """What the symbols of the dense network's input are for an image of that size.

        Raises:
            CnnirError: ``constraint`` when the input takes no image of that size, ``dims-unbound`` when its height or
                width depends on several symbols.
        """
        found: dict[str, int] = {}
        shape = _tensor(self.dense.value(self.input)).shape
        for axis, size in zip(self.axes, (height, width), strict=True):
            dim = bind(shape[axis], found)
            names = symbols(dim)
            if len(names) > 1:
                raise CnnirError("dims-unbound", "the size of the input depends on several symbols", got=dim)
            found.update({name: _solved(dim, name, size) for name in names})
            if bind(dim, found) != size:
                raise CnnirError(
                    "constraint", "the network takes no image of that size", node=self.input,
                    expected=" x ".join(str(shape[one]) for one in self.axes), got=f"{height} x {width}",
                )  # fmt: skip
        return found

    def positions(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the score map, by the formula in its type."""
        bindings = self.bindings(height, width)
        rows, columns = (bind(dim, bindings) for dim in _tensor(self.dense.value(self.output)).shape[2:])
        if not is_known(rows) or not is_known(columns):
            raise CnnirError("dims-unbound", "the size of the score map is not known", node=self.output)
        return rows, columns

    def resized(self, image: AnyArray, scale: float) -> AnyArray:
        """The image at that scale, by the interpreter's own bilinear Resize."""
        if scale == 1.0:
            return image
        sizes: list[Dim] = list(image.shape)
        for axis in self.axes:
            sizes[axis] = max(1, round(image.shape[axis] * scale))
        resizing = Graph("resize")
        source = resizing.add_input("image", TensorType(DType.of(image.dtype), image.shape))
        node = resizing.add_node(Resize(sizes=tuple(sizes), mode="linear"), [source], name="resized")
        resizing.set_outputs(node.outputs)
        return run(resizing, {"image": image})[node.output.name]

    def shared(self, image: AnyArray) -> AnyArray:
        """The score map in one forward pass."""
        return run(self._batch(image.shape[0]), {self.input: image}, [self.output])[self.output]

    def exact(self, image: AnyArray) -> AnyArray:
        """The score map from crops, each run by itself."""
        sizes = self._native_sizes()
        height, width = (image.shape[axis] for axis in self.axes)
        self.dense.bind(**self.bindings(height, width))  # refuses what one pass refuses: an image smaller than a crop
        counts = self.positions(height, width)
        strides = [self._stride(number) for number in range(2)]
        widths = [(0, 0)] * 4
        for axis, count, stride, size in zip(self.axes, counts, strides, sizes, strict=True):
            widths[axis] = (0, max(0, (count - 1) * stride + size - image.shape[axis]))
        padded = np.pad(image, widths)
        crops = []
        for row, column in itertools.product(range(counts[0]), range(counts[1])):
            part = [slice(None)] * 4
            for axis, place, stride, size in zip(self.axes, (row, column), strides, sizes, strict=True):
                part[axis] = slice(place * stride, place * stride + size)
            crops.append(padded[tuple(part)])
        starts = range(0, len(crops), CROPS_AT_ONCE)
        scores = np.concatenate([self._scores(crops[start : start + CROPS_AT_ONCE]) for start in starts])
        return np.moveaxis(scores.reshape(*counts, *scores.shape[1:3]), (0, 1), (2, 3))

    def _scores(self, crops: Sequence[AnyArray]) -> AnyArray:
        """The scores ``[crops, N, K]`` of crops, side by side in one batch."""
        batch = np.concatenate(crops)
        found = run(self._batch(len(batch)), {self.input: batch}, [self.output])[self.output]
        return found.reshape(len(crops), -1, found.shape[1])

    def _native_sizes(self) -> tuple[int, int]:
        height, width = self.native
        if not is_known(height) or not is_known(width):
            raise CnnirError(
                "crops", "the size of a crop is not known, the network takes any", node=self.input,
                got=f"{height} x {width}", hint="give the network at the size that it was made for",
            )  # fmt: skip
        if self.positions(height, width) != (1, 1):
            raise CnnirError("crops", "the network gives several positions at its own size", node=self.output)
        return height, width

    def _stride(self, number: int) -> int:
        """Distance of neighbouring crops along height (0) or width (1): how much it takes for another position."""
        height, width = self._native_sizes()
        sizes = [height, width]
        found = []
        # The first step may be shorter: native images often leave a few rows unused.
        for wanted in (2, 3):
            while self.positions(sizes[0], sizes[1])[number] < wanted:
                sizes[number] += 1
                if sizes[number] > 8 * max(height, width) + _PATIENCE:
                    raise CnnirError("crops", "the map does not grow with the image", node=self.output)
            found.append(sizes[number])
        return found[1] - found[0]

    def _batch(self, images: int) -> Graph:
        """The dense network for that many images."""
        shape = _tensor(self.dense.value(self.input)).shape
        if shape[0] == images or not is_known(shape[0]):
            return self.dense
        return self.dense.resize({self.input: [images, *(dim if is_known(dim) else str(dim) for dim in shape[1:])]})


def _at_native_size(graph: Graph, axes: tuple[int, int], native: tuple[int, int]) -> Graph:
    """The network at the size that the caller says it was made for.

    Raises:
        CnnirError: ``usage`` for what is no size, ``constraint`` where the network has another.
    """
    if not isinstance(native, Sequence) or isinstance(native, str) or len(native) != 2:
        raise CnnirError("usage", "a native size is a height and a width", got=repr(native))
    value = graph.inputs[0]
    shape = list(_tensor(value).shape)
    for axis, size in zip(axes, native, strict=True):
        whole = outside_int(size, "a native size", least=1, node=value.name)
        if is_known(shape[axis]) and shape[axis] != whole:
            raise CnnirError("constraint", "the network has another size", node=value.name, expected=shape, got=native)
        shape[axis] = whole
    return graph.resize({value.name: [dim if is_known(dim) else str(dim) for dim in shape]})


def _solved(dim: Dim, name: str, size: int) -> int:
    """The value of the symbol at which a dim that grows with it reaches a size, or the next above."""
    least, most = 1, size + _PATIENCE
    while least < most:
        middle = (least + most) // 2
        reached = bind(dim, {name: middle})
        least, most = (middle + 1, most) if is_known(reached) and reached < size else (least, middle)
    return least


def _tensor(value: Value) -> TensorType:
    if not isinstance(value.type, TensorType):
        raise CnnirError("operand-type", "a tensor is needed", node=value.name, got=value.type)
    return value.type
