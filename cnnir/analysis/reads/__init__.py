"""What the outputs of each op read from its operands, axis by axis: a rule for each op class.

A rule is the op's own: it knows nothing of the network around. `cnnir.analysis.receptive_field` chains the rules.
"""

from cnnir.analysis.reads import (
    assembly,
    blocks,
    elementwise,
    indexing,
    quantization,
    recurrent,
    resampling,
    selecting,
    standardization,
    windows,
)
from cnnir.analysis.reads.base import Along, Merged, Nothing, Place, Read, Rule, Unknown, Whole, reads, shape_of

__all__ = [
    "Along",
    "Merged",
    "Nothing",
    "Place",
    "Read",
    "Rule",
    "Unknown",
    "Whole",
    "assembly",
    "blocks",
    "elementwise",
    "indexing",
    "quantization",
    "reads",
    "recurrent",
    "resampling",
    "selecting",
    "shape_of",
    "standardization",
    "windows",
]
