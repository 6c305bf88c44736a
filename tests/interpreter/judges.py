"""Running one node here and in onnxruntime, and comparing what comes out."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cnnir.exporters.onnx import write
from cnnir.ops import Gelu, Mish, Sigmoid, Softplus, Swish
from tests.interpreter.single_nodes import Case

AnyArray: TypeAlias = NDArray[Any]

TOLERANCE = 1e-5
"""Of float32, relative to the largest output."""

_VANISHING = (Sigmoid, Softplus, Swish, Mish, Gelu)
"""Ops whose results go to 0 on the negative side, where runtimes lose all their digits."""

onnxruntime.set_default_logger_severity(4)


def run(case: Case) -> list[AnyArray]:
    """The outputs of the case's graph."""
    return list(case.graph().run(case.feed()).values())


def by_onnxruntime(case: Case) -> list[AnyArray]:
    """The same by the runtime, from the exported model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        write(case.graph()).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [np.asarray(array) for array in session.run(None, case.feed())]


def assert_close(
    got: Sequence[AnyArray], expected: Sequence[AnyArray], what: object, tolerance: float = TOLERANCE
) -> None:
    """Equal shapes, and errors small beside the largest expected element; integers and booleans equal."""
    assert len(got) == len(expected), what
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.shape == theirs.shape, what
        if ours.dtype.kind != "f":
            np.testing.assert_array_equal(ours, theirs, str(what))
            continue
        finite = np.isfinite(theirs)
        np.testing.assert_array_equal(ours[~finite], theirs[~finite], str(what))
        largest = float(np.abs(theirs[finite]).max(initial=0.0))
        # A sigmoid of nothing but very negative numbers is 0 beside its range, which is 1.
        scale = max(largest, 1.0) if isinstance(getattr(what, "op", None), _VANISHING) else largest
        error = float(np.abs(ours[finite].astype(np.float64) - theirs[finite]).max(initial=0.0))
        assert error <= tolerance * scale, f"{error / scale:.2e} in {what}"
