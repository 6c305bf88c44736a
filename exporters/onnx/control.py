"""Ops that ``onnx.reference`` computes wrongly, or not at all, computed by its own means.

Imported where something is left to the reference: it is slow to import.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ValueInfoProto, helper
from onnx.reference.ops.op_loop import Loop as ReferenceLoop

from cnnir.errors import CnnirError


class Loop(ReferenceLoop):
    """ONNX operator specification: Loop.

    The reference puts what it scans together by ``vstack``, which is right for rows alone.
    """

    op_domain = ""

    body: Any
    """What the reference makes of the attribute."""

    _run_body: Any

    def _run(
        self,
        M: Any,  # noqa: N803  so it is called
        cond: Any,
        *args: Any,
        context: Any = None,
        body: Any = None,
        attributes: Any = None,
        bindings: Any = None,
    ) -> Any:
        """The body is run while the condition holds, at most M times; either may be absent."""
        number, names, carried = 0, self.body.input_names, list(args)
        scanned: list[list[Any]] = [[] for _ in range(self.K)]
        while (cond is None or bool(cond)) and (M is None or number < int(np.asarray(M).item())):
            given = [np.array(number, np.int64), np.asarray(True if cond is None else cond), *carried]
            feeds = {**(context or {}), **dict(zip(names, given, strict=True))}
            cond, *results = self._run_body(feeds, attributes=attributes, bindings=bindings)
            carried = results[: self.N]
            for items, item in zip(scanned, results[self.N :], strict=True):
                items.append(item)
            number += 1
        declared = self.body.proto_.output[1 + self.N :]
        stacked = [np.stack(items) if items else _nothing(info) for items, info in zip(scanned, declared, strict=True)]
        return self._check_and_fix_outputs((*carried, *stacked))


def _nothing(info: ValueInfoProto) -> Any:
    """What no iteration at all has scanned: of the type that the body declares.

    Raises:
        CnnirError: ``opaque-evaluation`` when the body does not say it.
    """
    tensor = info.type.tensor_type
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    if not tensor.elem_type or not tensor.HasField("shape") or None in sizes:
        raise CnnirError("opaque-evaluation", "a loop without iterations scans values of unknown shape", got=info.name)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return np.empty((0, *(size for size in sizes if size is not None)), dtype)


CORRECTED: Sequence[type[Any]] = (Loop,)
"""Implementations in place of the reference's own."""

SUCCESSORS: Mapping[str, tuple[str, int]] = {"Scatter": ("ScatterElements", 11)}
"""Deprecated ops that the reference lacks; an op, and its opset, that says the same in the same words."""
