"""The mapping between ONNX's ops and ours: reader beside writer, one place an op."""

from cnnir.exporters.onnx.mapping import (
    indexing,
    layers,
    pointwise,
    quantizing,
    reducing,
    reshaping,
    resizing,
    standardizing,
    tensors,
)
from cnnir.exporters.onnx.mapping.attributes import Attributes, Unmapped
from cnnir.exporters.onnx.mapping.base import (
    OPERAND_NAME,
    OUTPUT_NAME,
    Operand,
    Pending,
    Source,
    Target,
    integers_of,
    onnx_name,
    read_node,
    readers,
    require_types,
    writers,
)

__all__ = [
    "OPERAND_NAME",
    "OUTPUT_NAME",
    "Attributes",
    "Operand",
    "Pending",
    "Source",
    "Target",
    "Unmapped",
    "indexing",
    "integers_of",
    "layers",
    "onnx_name",
    "pointwise",
    "quantizing",
    "read_node",
    "readers",
    "reducing",
    "require_types",
    "reshaping",
    "resizing",
    "standardizing",
    "tensors",
    "writers",
]
