"""Scoring every position of an image: a classifier applied densely, in one forward pass.

The network is rewritten by ``fc-to-conv{dense=true,keep_interface=false}`` and run on the whole image. Each element of
the score map stands for a crop of the network's native size; crops lie as far apart as the strides of the network
multiply to (Sermanet et al., "OverFeat", 2014, section 3.3; Simonyan and Zisserman, "Very Deep Convolutional Networks",
2015, section 3.2).

Where the network pads, a crop of its own sees zeros at its border and a position of the map sees what is in the image:
the two differ. ``crops="exact"`` reproduces the crops' own padding, by running them, at the cost of all of them.

Where a node looks at the whole image (squeeze-and-excitation, say), one pass gives what no crop gives: that is refused
unless it is allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from cnnir.analysis import costs
from cnnir.dense.classifier import Classifier
from cnnir.dense.outside import factors, pixels
from cnnir.dims import is_known
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.types import outside_int
from cnnir.weights import AnyArray

Aggregate: TypeAlias = Literal["map", "mean", "max"]
Crops: TypeAlias = Literal["shared", "exact"]
Allow: TypeAlias = Literal["nothing", "whole-image"]


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
    native: tuple[int, int] | None = None,
    allow: Allow = "nothing",
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
        native: Height and width that the network was made for, where its own input leaves them open.
        allow: ``whole-image`` takes nodes that look at the whole image as they are: scores are then no crops' scores.

    Returns:
        ``[N, K, H', W']`` for ``map``, else ``[N, K]``.

    Raises:
        CnnirError: from `dense_maps`; ``usage`` for a map of several scales, or another aggregate.
    """
    if aggregate not in ("map", "mean", "max"):
        raise CnnirError("usage", "no such aggregate", expected="map, mean or max", got=aggregate)
    scales = factors(scales)
    if aggregate == "map" and len(scales) != 1:
        raise CnnirError("usage", "every scale has a map of its own", got=list(scales), hint="dense_maps gives them")
    maps = dense_maps(graph, image, scales=scales, crops=crops, output=output, native=native, allow=allow)
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
    native: tuple[int, int] | None = None,
    allow: Allow = "nothing",
) -> tuple[AnyArray, ...]:
    """The score map ``[N, K, H', W']`` of an image at each scale; see `dense_scores`.

    Raises:
        CnnirError: ``not-dense`` when the network cannot be applied at every position, naming the node; ``whole-image``
            naming the nodes that look at the whole image; ``usage`` for what is no option, or a scale that is not
            positive; ``rank``; ``constraint`` for an image that is smaller than the native size.
    """
    if crops not in ("shared", "exact"):
        raise CnnirError("usage", "no such kind of crops", expected="shared or exact", got=crops)
    if allow not in ("nothing", "whole-image"):
        raise CnnirError("usage", "no such thing to allow", expected="nothing or whole-image", got=allow)
    scales = factors(scales)
    classifier = Classifier.of(graph, output, native)
    if crops == "shared" and allow == "nothing":
        classifier.require_windows()
    array = pixels(image, classifier.input)
    if array.ndim != 4:
        raise CnnirError(
            "rank", "an image has four axes", node=classifier.input, expected="N x C x H x W", got=list(array.shape)
        )
    resized = [classifier.resized(array, scale) for scale in scales]
    return tuple(classifier.exact(part) if crops == "exact" else classifier.shared(part) for part in resized)


def dense_cost(
    graph: Graph, height: int, width: int, *, output: str | None = None, native: tuple[int, int] | None = None
) -> DenseCost:
    """What scoring every position of an image of that size costs, in one pass and crop by crop.

    Raises:
        CnnirError: from `dense_maps`; ``macs-unknown`` where a node's cost is not known.
    """
    classifier = Classifier.of(graph, output, native)
    sizes = outside_int(height, "a height", least=1), outside_int(width, "a width", least=1)
    rows, columns = classifier.positions(*sizes)
    whole = classifier.dense.bind(**classifier.bindings(*sizes))
    return DenseCost((rows, columns), _macs(whole), _macs(classifier.crop) * rows * columns)


def _macs(graph: Graph) -> int:
    found = costs(graph)
    if found.macs is None:
        raise CnnirError("macs-unknown", "the cost of the network is not known", got="; ".join(found.reasons))
    if not is_known(found.macs):
        raise CnnirError(
            "macs-unknown", "the cost of the network depends on sizes that are open", got=found.macs,
            hint="native=(height, width) says what it was made for; bind other sizes first",
        )  # fmt: skip
    return found.macs
