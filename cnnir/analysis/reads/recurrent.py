"""Recurrent layers read whole sequences, each of its own."""

from cnnir.analysis.reads.base import Along, Place, Read, Whole, reads
from cnnir.ops.recurrent import Recurrent

_STATE = ("way", "batch", "feature")
_AXES: dict[int, tuple[str, ...]] = {0: ("step", "batch", "feature"), 4: ("batch",), 5: _STATE, 6: _STATE}
"""What the axes of operands are; those of weights are a direction and features."""


@reads.rule(Recurrent)
def _recurrent(op: Recurrent, place: Place) -> Read:
    axes = _AXES.get(place.operand, ("way", "feature", "feature"))
    results: tuple[str, ...] = (
        ("step", "way", "batch", "feature") if op.gives[place.output] == "Y" else ("way", "batch", "feature")
    )
    if op.batch_first:
        axes, results = _batch_first(axes), _batch_first(results)
    axis = axes[place.axis]
    return Along(results.index(axis)) if axis in ("batch", "way") else Whole()


def _batch_first(names: tuple[str, ...]) -> tuple[str, ...]:
    return ("batch", *(name for name in names if name != "batch")) if "batch" in names else names
