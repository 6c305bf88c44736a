"""``onnx.backend.base.Backend`` on our interpreter, under the name by which ONNX's tools look for it.

See `cnnir.exporters.onnx.backend`.
"""

from cnnir.exporters.onnx.backend import (
    CnnirBackend,
    CnnirRep,
    is_compatible,
    prepare,
    run_model,
    run_node,
    supports_device,
)

__all__ = ["CnnirBackend", "CnnirRep", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]
