"""When ONNX's operator set got its ops."""

import functools
from collections.abc import Mapping

from onnx import defs


@functools.cache
def _first() -> Mapping[str, int]:
    found: dict[str, int] = {}
    for schema in defs.get_all_schemas_with_history():
        if not schema.domain:
            found[schema.name] = min(found.get(schema.name, schema.since_version), schema.since_version)
    return found


def first_opset(op_type: str) -> int:
    """The first operator set that has an op of ONNX's own."""
    return _first()[op_type]
