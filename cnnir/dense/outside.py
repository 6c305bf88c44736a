"""Arguments from outside, checked in one place."""

import math
from collections.abc import Sequence

import numpy as np

from cnnir.errors import CnnirError
from cnnir.weights import AnyArray


def factors(scales: object) -> tuple[float, ...]:
    """Scales from outside."""
    given = tuple(scales) if isinstance(scales, Sequence | np.ndarray) and not isinstance(scales, str) else ()
    numbers = (int, float, np.integer, np.floating)
    if not given or any(isinstance(scale, bool) or not isinstance(scale, numbers) for scale in given):
        raise CnnirError("usage", "scales are positive factors, at least one", got=repr(scales))
    found = tuple(float(scale) for scale in given)
    if not all(scale > 0 and math.isfinite(scale) for scale in found):
        raise CnnirError("usage", "scales are positive factors, at least one", got=list(found))
    return found


def pixels(image: object, node: str) -> AnyArray:
    """An image from outside as an array."""
    try:
        array = np.asarray(image)
    except ValueError as error:
        raise CnnirError("usage", "an image is an array of numbers", node=node, got=error) from None
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        raise CnnirError("usage", "an image is an array of numbers", node=node, got=f"elements of {array.dtype}")
    return array
