"""Views and permutations: nothing is computed, at most copied."""

from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import kernels, present
from cnnir.ops import Dropout, Flatten, Identity, Reshape, Squeeze, Transpose, Unsqueeze
from cnnir.weights import AnyArray


@kernels.rule(Reshape, Flatten, Squeeze, Unsqueeze, Identity, Dropout)
def view(op: object, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The same elements in row-major order; a mask, where there is one, keeps all."""
    np.copyto(outputs[0], present(inputs, 0).reshape(outputs[0].shape))
    for mask in outputs[1:]:
        mask[...] = True


@kernels.rule(Transpose)
def transpose(op: Transpose, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Axes permuted."""
    np.copyto(outputs[0], present(inputs, 0).transpose(op.permutation))
