"""What algorithms take on maps whose channels lie innermost: the shapes of their scratch, and its bytes."""

from cnnir.algorithms.channels_last.blocks import filters_of_block, positions_of_block
from cnnir.algorithms.channels_last.columns import Columns
from cnnir.algorithms.channels_last.depthwise import Depthwise, DepthwiseSums
from cnnir.algorithms.channels_last.lrn import Neighbours
from cnnir.algorithms.channels_last.pointwise import Pointwise
from cnnir.algorithms.channels_last.pooling import Pooling
from cnnir.algorithms.channels_last.sizes import LINE, Axis, Layer, Shape, axes_of, lines
from cnnir.algorithms.channels_last.winograd import Tiles

__all__ = [
    "LINE",
    "Axis",
    "Columns",
    "Depthwise",
    "DepthwiseSums",
    "Layer",
    "Neighbours",
    "Pointwise",
    "Pooling",
    "Shape",
    "Tiles",
    "axes_of",
    "filters_of_block",
    "lines",
    "positions_of_block",
]
