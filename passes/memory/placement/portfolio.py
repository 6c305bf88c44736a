"""From bodies to offsets: one method after the other, until the bound is reached or all have had their turn."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from cnnir.passes.memory.placement.greedy import greedy_placements
from cnnir.passes.memory.placement.instance import Instance, instance_of
from cnnir.passes.memory.placement.model import Placeable, Placement, bodies_of


def place(
    bodies: "Iterable[Placeable] | np.ndarray[Any, np.dtype[np.integer]]",
    alignment: int = 1,
    *,
    capacity: int | None = None,
    seed: int = 0,
) -> Placement:
    """Place bodies in one pool, as low as the portfolio finds; the same bodies give the same placement everywhere.

    Args:
        bodies: What has to be placed: buffers, bodies, (first step, last step, bytes), or an array with these columns.
        alignment: The base of every body that is not fixed is a multiple of this.
        capacity: Bytes: any placement that is no higher will do.
        seed: Of the noise.

    Returns:
        The lowest placement found, or the first within the capacity; its status says how good it is.

    Raises:
        CnnirError: ``placement-body``, ``placement-fixed``, ``alignment``.
    """
    instance = instance_of(bodies_of(bodies), alignment)
    if not instance.free:
        bases = [base or 0 for base in instance.fixed]
        height = instance.height(bases)
        return Placement(instance.offsets(bases), height, instance.bound, "nothing to place", height, capacity)
    goal = instance.least if capacity is None else max(instance.least, capacity)
    how, bases = _greedy(instance, goal, seed)
    height = instance.height(bases)
    return Placement(instance.offsets(bases), height, instance.bound, how, instance.least, capacity)


def _greedy(instance: Instance, goal: int, seed: int) -> tuple[str, list[int]]:
    """The first greedy placement that is no higher than the goal, or the lowest of all."""
    best: tuple[int, str, list[int]] | None = None
    for how, bases in greedy_placements(instance, seed):
        height = instance.height(bases)
        if best is None or height < best[0]:
            best = height, how, bases
        if height <= goal:
            break
    assert best is not None  # noqa: S101  there is always a first one
    return best[1], best[2]
