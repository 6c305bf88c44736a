"""Sums of products in Einstein's notation."""

from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import Einsum
from cnnir.weights import AnyArray


@kernels.rule(Einsum)
@in_float32
def einsum(op: Einsum, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """NumPy's own, which makes matrix products of what it can."""
    terms = [present(inputs, index) for index in range(len(inputs))]
    np.copyto(outputs[0], np.einsum(op.equation, *terms, optimize=True))
