"""By which algorithms an op can be computed: a rule for each op class that has a choice.

The formulas count elements that live at once in buffers which a kernel makes once and works through in strips, as a
function of the shapes and of the algorithm's own parameters. A way that `runs` is one that the interpreter has today.
"""

from cnnir.algorithms.ways import blocks, convolution, pooling, products, winograd
from cnnir.algorithms.ways.base import KERNEL, Unknown, Way, Work, alternatives, ways

__all__ = [
    "KERNEL",
    "Unknown",
    "Way",
    "Work",
    "alternatives",
    "blocks",
    "convolution",
    "pooling",
    "products",
    "ways",
    "winograd",
]
