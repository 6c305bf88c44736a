"""How far two arrays are apart."""

from dataclasses import dataclass

import numpy as np

from cnnir.weights import AnyArray

_CHUNK = 1 << 18
"""Elements worked on at a time: what a cache holds."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Largest difference of two elements, the same relative to the first array's largest, and how many differ.

    Infinite where only one of two elements is infinite or no number. `where` is the first place of the largest
    difference, among the elements in their order.
    """

    absolute: float
    relative: float
    elements: int
    where: int = 0


def distance(left: AnyArray, right: AnyArray) -> Distance | None:
    """The distance of two arrays of one shape; None when their elements are no real numbers or the shapes differ."""
    if np.shape(left) != np.shape(right) or not _is_real(left) or not _is_real(right):
        return None
    ours, theirs = np.reshape(left, -1), np.reshape(right, -1)
    worst, largest, count, where = 0.0, 0.0, 0, 0
    for start in range(0, ours.size, _CHUNK):
        # In double precision every float and every integer of up to 53 bits is exact.
        wide, other = (side[start : start + _CHUNK].astype(np.float64) for side in (ours, theirs))
        with np.errstate(all="ignore"):
            gaps = np.abs(wide - other)
            # Equal infinities have no number for a difference, and no number on both sides is the same.
            gaps[(wide == other) | (np.isnan(wide) & np.isnan(other))] = 0.0
            gaps[~np.isfinite(gaps)] = np.inf
            sizes = np.abs(wide)
        count += int(np.count_nonzero(gaps))
        if float(gaps.max(initial=0.0)) > worst:
            where = start + int(gaps.argmax())
            worst = float(gaps[where - start])
        largest = max(largest, float(sizes.max(initial=0.0, where=np.isfinite(sizes))))
    relative = worst / largest if largest else (float("inf") if worst else 0.0)
    return Distance(worst, relative, count, where)


def _is_real(array: AnyArray) -> bool:
    return array.dtype.kind in "fiub" or array.dtype.kind == "V" or array.dtype.name.startswith(("bfloat", "float"))
