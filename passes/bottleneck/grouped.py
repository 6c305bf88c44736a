"""Factors of a convolution in groups: each group falls into factors of its own, all at one rank.

A weight ``[K, C / groups, *kernel]`` is a row of smaller ones, which see channels of their own. Their factors, one
behind the other, are the weights of convolutions in as many groups.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnir.passes.bottleneck.factors import Decomposition, Doubles, Kind, Metric, Ranks, decompose


@dataclass(frozen=True)
class _Grouped(Decomposition):
    """The groups' decompositions, side by side."""

    parts: tuple[Decomposition, ...]

    def factors(self, ranks: Ranks) -> tuple[Doubles, ...]:
        self._index(ranks)
        made = [part.factors(ranks) for part in self.parts]
        return tuple(np.concatenate(factor) for factor in zip(*made, strict=True))


def decompose_groups(
    kind: Kind, weight: NDArray[Any], groups: int, metric: Metric | None = None, *, refine: bool = True
) -> Decomposition:
    """Decompose the weight of a convolution in groups for all ranks at once.

    Args:
        kind: Which factorisation.
        weight: ``[K, C / groups, *kernel]``.
        groups: How many; one makes no difference to `decompose`.
        metric: Weighs the errors, its mean and covariance those of all channels; a group takes its own from them.
        refine: As `decompose` takes it.

    Raises:
        CnnirError: from `decompose`.
    """
    if groups == 1:
        return decompose(kind, weight, metric, refine=refine)
    weights = np.split(weight, groups)
    metrics = [None if metric is None else _of_group(metric, index, groups) for index in range(groups)]
    parts = tuple(decompose(kind, one, own, refine=refine) for one, own in zip(weights, metrics, strict=True))
    lost = np.sum([part.squares * part.total for part in parts], axis=0)
    total = math.fsum(part.total for part in parts)
    return _Grouped(lost / total if total > 0 else lost, total, parts)


def _of_group(metric: Metric, index: int, groups: int) -> Metric:
    """One group's part of a metric: the channels of a group stand side by side in all that it holds."""
    rows, cells = len(metric.mean) // groups, len(metric.covariance) // groups
    own = slice(index * cells, (index + 1) * cells)
    return Metric(metric.mean[index * rows : (index + 1) * rows], metric.covariance[own, own])
