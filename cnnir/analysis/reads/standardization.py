"""Layers that standardise: what an output reads besides its own position decides."""

from cnnir.analysis.reads.base import Along, Place, Read, Unknown, Whole, aligned, reads
from cnnir.ops import (
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    LpNormalization,
    MeanVarianceNormalization,
    RMSNormalization,
)


@reads.rule(InstanceNormalization)
def _instance(op: InstanceNormalization, place: Place) -> Read:
    if place.operand != 0:
        return Along(1)
    return Along(place.axis) if place.axis < 2 else Whole()


@reads.rule(GroupNormalization)
def _group(op: GroupNormalization, place: Place) -> Read:
    if place.operand != 0 and not op.per_group:
        return Along(1)
    if place.operand == 0 and place.axis != 1:
        return Along(0) if place.axis == 0 else Whole()
    return Whole() if op.num_groups == 1 else Unknown("the channels are in groups")


@reads.rule(LayerNormalization, RMSNormalization)
def _layer(op: LayerNormalization | RMSNormalization, place: Place) -> Read:
    if place.operand != 0:
        return aligned(place, place.axis + len(place.result) - len(place.shape))
    return Along(place.axis) if place.axis < op.axis else Whole()


@reads.rule(LpNormalization)
def _norm(op: LpNormalization, place: Place) -> Read:
    return Whole() if place.axis == op.axis else Along(place.axis)


@reads.rule(MeanVarianceNormalization)
def _mean_variance(op: MeanVarianceNormalization, place: Place) -> Read:
    return Whole() if place.axis in op.axes else Along(place.axis)
