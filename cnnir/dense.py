"""Scoring every position of an image: a classifier applied densely, in one forward pass.

The network is rewritten by ``fc-to-conv{dense=true,keep_interface=false}`` and run on the whole image. Each element of
the score map stands for a crop of the network's native size; crops lie as far apart as the strides of the network
multiply to (Sermanet et al., "OverFeat", 2014, section 3.3; Simonyan and Zisserman, "Very Deep Convolutional Networks",
2015, section 3.2).

Where the network pads, a crop of its own sees zeros at its border and a position of the map sees what is in the image:
the two differ. ``crops="exact"`` reproduces the crops' own padding, by running them, at the cost of all of them.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from cnnir.analysis import costs
from cnnir.dims import Dim, bind, is_known, symbols
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.interpreter import run
from cnnir.ops import Resize
from cnnir.passes import FcToConv, apply
from cnnir.passes.fc_to_conv import image_axes
from cnnir.types import DType, TensorType
from cnnir.weights import AnyArray

Aggregate: TypeAlias = Literal["map", "mean", "max"]
Crops: TypeAlias = Literal["shared", "exact"]

_PATIENCE = 1024
"""Pixels beyond several native sizes after which a map that has not grown is taken never to grow."""


CROPS_AT_ONCE = 8
"""How many crops run in one batch: weights are then made once for them, and activations still fit into memory."""


@dataclass(frozen=True, slots=True)
class DenseCost:
    """What scoring every position of an image costs.

    Attributes:
        positions: Rows and columns of the score map.
        shared_macs: Multiply-accumulates of one forward pass over the whole image.
        crops_macs: Of running the network once for each position.
    """

    positions: tuple[int, int]
    shared_macs: int
    crops_macs: int


def dense_scores(
    graph: Graph,
    image: AnyArray,
    *,
    aggregate: Aggregate = "map",
    scales: Sequence[float] = (1.0,),
    crops: Crops = "shared",
    output: str | None = None,
) -> AnyArray:
    """Scores of a classifier over a whole image.

    Args:
        graph: A classifier with one image as its input, at the size that it was made for.
        image: ``[N, C, H, W]`` (or channels-last, as the network's input is), at least of the native size.
        aggregate: ``map`` gives the score map, ``mean`` its mean over the positions, averaged over the scales,
            ``max`` the maximum over all positions and scales.
        scales: Factors by which the image is resized first, bilinearly.
        crops: ``shared`` runs the network once over the image. ``exact`` gives what each crop gives by itself, with its
            own zero padding; what a crop reaches beyond the image is zero.
        output: Name of the output; the only one when None.

    Returns:
        ``[N, K, H', W']`` for ``map``, else ``[N, K]``.

    Raises:
        CnnirError: from `dense_maps`; ``usage`` for a map of several scales, or another aggregate.
    """
    if aggregate not in ("map", "mean", "max"):
        raise CnnirError("usage", "no such aggregate", expected="map, mean or max", got=aggregate)
    if aggregate == "map" and len(scales) != 1:
        raise CnnirError("usage", "every scale has a map of its own", got=list(scales), hint="dense_maps gives them")
    maps = dense_maps(graph, image, scales=scales, crops=crops, output=output)
    if aggregate == "map":
        return maps[0]
    found: AnyArray
    if aggregate == "max":
        found = np.max([scores.max(axis=(2, 3)) for scores in maps], axis=0)
    else:
        found = np.mean([scores.mean(axis=(2, 3)) for scores in maps], axis=0)
    return found


def dense_maps(
    graph: Graph,
    image: AnyArray,
    *,
    scales: Sequence[float] = (1.0,),
    crops: Crops = "shared",
    output: str | None = None,
) -> tuple[AnyArray, ...]:
    """The score map ``[N, K, H', W']`` of an image at each scale; see `dense_scores`.

    Raises:
        CnnirError: ``not-dense`` when the network cannot be applied at every position, naming the node; ``usage`` for a
            scale that is not positive; ``rank``; ``constraint`` for an image that is smaller than the native size.
    """
    if crops not in ("shared", "exact"):
        raise CnnirError("usage", "no such kind of crops", expected="shared or exact", got=crops)
    if not scales or not all(scale > 0 and math.isfinite(scale) for scale in scales):
        raise CnnirError("usage", "scales are positive factors, at least one", got=list(scales))
    classifier = _Classifier.of(graph, output)
    array = np.asarray(image)
    if array.ndim != 4:
        raise CnnirError(
            "rank", "an image has four axes", node=classifier.input, expected="N x C x H x W", got=list(array.shape)
        )
    resized = [classifier.resized(array, scale) for scale in scales]
    return tuple(classifier.exact(part) if crops == "exact" else classifier.shared(part) for part in resized)


def dense_cost(graph: Graph, height: int, width: int, *, output: str | None = None) -> DenseCost:
    """What scoring every position of an image of that size costs, in one pass and crop by crop.

    Raises:
        CnnirError: from `dense_maps`; ``macs-unknown`` where a node's cost is not known.
    """
    classifier = _Classifier.of(graph, output)
    rows, columns = classifier.positions(height, width)
    whole = classifier.dense.bind(**dict(zip(classifier.names, (height, width), strict=True)))
    return DenseCost((rows, columns), _macs(whole), _macs(graph) * rows * columns)


def _macs(graph: Graph) -> int:
    found = costs(graph)
    if found.macs is None or not is_known(found.macs):
        raise CnnirError("macs-unknown", "the cost of the network is not known", got="; ".join(found.reasons))
    return found.macs


@dataclass(frozen=True)
class _Classifier:
    """A network and its dense form.

    Attributes:
        dense: Takes images of any size and gives score maps.
        input: Name of its input.
        axes: Of the image's height and width.
        native: Height and width that the network was made for; None where they are open.
        output: Name of the output.
    """

    dense: Graph
    input: str
    axes: tuple[int, int]
    native: tuple[Dim, Dim]
    output: str

    @classmethod
    def of(cls, graph: Graph, output: str | None) -> "_Classifier":
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
        result = apply(graph, FcToConv(dense=True, keep_interface=False))
        if not result.modified:
            refusal = result.refusals[0]
            raise CnnirError(
                "not-dense", "the network cannot score every position", node=", ".join(refusal.nodes) or None,
                got=refusal.reason, hint="where the graph computes its own shapes, the pass fold comes first",
            )  # fmt: skip
        axes = image_axes(graph.inputs[0]) or (2, 3)
        shape = _tensor(graph.inputs[0]).shape
        return cls(result.graph, graph.inputs[0].name, axes, (shape[axes[0]], shape[axes[1]]), output or names[0])

    @property
    def names(self) -> tuple[str, str]:
        """The symbols of height and width."""
        shape = _tensor(self.dense.value(self.input)).shape
        height, width = (next(iter(sorted(symbols(shape[axis])))) for axis in self.axes)
        return height, width

    def positions(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the score map, by the formula in its type."""
        rows, columns = (
            bind(dim, dict(zip(self.names, (height, width), strict=True)))
            for dim in _tensor(self.dense.value(self.output)).shape[2:]
        )
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
        counts = self.positions(image.shape[self.axes[0]], image.shape[self.axes[1]])
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


def _tensor(value: Value) -> TensorType:
    if not isinstance(value.type, TensorType):
        raise CnnirError("operand-type", "a tensor is needed", node=value.name, got=value.type)
    return value.type
