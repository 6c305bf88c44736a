"""NumPy's broadcasting over dims that may be symbolic. ONNX specification: "Broadcasting in ONNX", multidirectional."""

from collections.abc import Iterable

from cnnir.dims import UNKNOWN, Dim, Shape
from cnnir.ops.base import Facts


def broadcast(shapes: Iterable[Shape], facts: Facts) -> Shape:
    """The common shape.

    Two dims that cannot be told apart from equal ones become a constraint that they are. That is sufficient, not
    necessary: one of them may turn out to be 1. Who knows the sizes infers anew.

    Raises:
        CnnirError: ``broadcast`` when two dims never agree.
    """
    result: list[Dim] = []
    for shape in shapes:
        while len(result) < len(shape):
            result.insert(0, 1)
        for axis, dim in enumerate(shape, start=len(result) - len(shape)):
            result[axis] = _meet(result[axis], dim, facts)
    return tuple(result)


def _meet(left: Dim, right: Dim, facts: Facts) -> Dim:
    if left == right or right == 1:
        return left
    if left == 1:
        return right
    if left == UNKNOWN or right == UNKNOWN:
        # An unknown dim may be 1 or the other; a known one above 1 is what comes out in either case.
        return next((dim for dim in (left, right) if isinstance(dim, int)), UNKNOWN)
    facts.require_equal(
        right,
        left,
        "broadcast",
        "shapes do not broadcast",
        open_reason=f"{left} and {right} broadcast when they are equal (a size of 1, which would too, is not assumed)",
    )
    return left if isinstance(left, int) else right
