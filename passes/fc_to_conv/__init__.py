"""fc-to-conv: classifiers that score every position of an image of any size.

The head of a classifier, from the last map to the scores, is applied at every position of a larger map: the first fully
connected layer becomes a convolution with filters of the map's native size, the next ones 1x1 convolutions, a Softmax
runs over the channels. At the native size the outputs are equal.
"""

from cnnir.passes.fc_to_conv import foreign, linear, pooling, standardizing  # their rules
from cnnir.passes.fc_to_conv.rewrite import FcToConv
from cnnir.passes.fc_to_conv.sizes import image_axes
from cnnir.passes.fc_to_conv.whole import whole_image_nodes

__all__ = ["FcToConv", "foreign", "image_axes", "linear", "pooling", "standardizing", "whole_image_nodes"]
