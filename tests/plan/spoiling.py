"""Ways to spoil any plan, one fault of each kind; what follows from the rest is mended: only the fault is left."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from cnnir.plan import JOIN, KERNEL, VIEW, Bound, MemoryPlan, Piece, Scratch, Step
from tests.plan import plans

Spoiler = Callable[[MemoryPlan, np.random.Generator], MemoryPlan | None]
"""Gives None where the plan has nothing of the kind."""

ItemT = TypeVar("ItemT")


def mended(plan: MemoryPlan) -> MemoryPlan:
    """With lives and figures as they follow from the rest."""
    return plans.figures_mended(plans.lives_mended(plan))


def _one(rng: np.random.Generator, items: list[ItemT]) -> ItemT | None:
    return items[int(rng.integers(len(items)))] if items else None


def _stored(plan: MemoryPlan, at_least: int = 1) -> list[str]:
    return [name for name, value in plan.values.items() if value.pieces and len(value.pieces) >= at_least]


def _with_a_piece(plan: MemoryPlan, name: str, index: int, piece: Piece) -> MemoryPlan:
    pieces = list(plan.values[name].pieces or ())
    pieces[index] = piece
    return plans.with_value(plan, name, pieces=tuple(pieces))


def moved_storage(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """To where another one begins, or a little aside."""
    index = int(rng.integers(len(plan.storages)))
    places = [s.offset for s in plan.storages if s.pool == plan.storages[index].pool]
    places.append(max(plan.storages[index].offset + int(rng.choice([-64, -4, 4, 64])), 0))
    moved = plans.with_storage(plan, index, offset=_one(rng, places))
    return None if moved == plan else plans.figures_mended(moved)


def exchanged_pieces(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """Two parts of a value change places."""
    name = _one(rng, _stored(plan, 2))
    if name is None:
        return None
    pieces = list(plan.values[name].pieces or ())
    left, right = (int(i) for i in rng.permutation(len(pieces))[:2])
    keep = pieces[left].origin, pieces[right].origin
    pieces[left] = dataclasses.replace(pieces[left], origin=keep[1])
    pieces[right] = dataclasses.replace(pieces[right], origin=keep[0])
    return plans.with_value(plan, name, pieces=tuple(pieces))


def moved_piece(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A part of a value goes to another storage."""
    name, index = _one(rng, _stored(plan)), int(rng.integers(len(plan.storages)))
    if name is None:
        return None
    number = int(rng.integers(len(plan.values[name].pieces or ())))
    piece, storage = (plan.values[name].pieces or ())[number], plan.storages[index]
    other = dataclasses.replace(piece, storage=index, pool=storage.pool, offset=storage.offset)
    return None if other == piece else mended(_with_a_piece(plan, name, number, other))


def restrided(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """The strides of two axes are exchanged, in all of a value's pieces."""
    names = [name for name in _stored(plan) if sum(size > 1 for size in plan.values[name].shape) > 1]
    if (name := _one(rng, names)) is None:
        return None
    long = [axis for axis, size in enumerate(plan.values[name].shape) if size > 1]
    left, right = (long[int(i)] for i in rng.permutation(len(long))[:2])
    pieces = []
    for piece in plan.values[name].pieces or ():
        strides = list(piece.strides)
        strides[left], strides[right] = strides[right], strides[left]
        pieces.append(dataclasses.replace(piece, strides=tuple(strides)))
    return plans.with_value(plan, name, pieces=tuple(pieces))


def changed_stride(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """One stride of one piece is another."""
    if (name := _one(rng, _stored(plan))) is None:
        return None
    number = int(rng.integers(len(plan.values[name].pieces or ())))
    piece = (plan.values[name].pieces or ())[number]
    long = [axis for axis, size in enumerate(piece.shape) if size > 1]
    if (axis := _one(rng, long)) is None:
        return None
    strides = list(piece.strides)
    strides[axis] += int(rng.choice([-4, 4, strides[axis]]))
    return _with_a_piece(plan, name, number, dataclasses.replace(piece, strides=tuple(strides)))


def reordered(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A step runs before one that it needs."""
    steps = list(plan.steps)
    pairs = [(i, j) for j in range(len(steps)) for i in range(j) if set(steps[i].writes) & set(steps[j].reads)]
    if (pair := _one(rng, pairs)) is None:
        return None
    steps.insert(pair[0], steps.pop(pair[1]))
    return mended(plans.with_steps(plan, tuple(steps)))


def dropped_step(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A node is missing."""
    number = int(rng.integers(len(plan.steps)))
    if len(plan.steps) == 1:
        return None
    return mended(plans.with_steps(plan, (*plan.steps[:number], *plan.steps[number + 1 :])))


def doubled_step(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """Nodes that store something run twice."""
    step = plan.steps[int(rng.integers(len(plan.steps)))]
    return mended(plans.with_steps(plan, (*plan.steps, step)))


def _fused(plan: MemoryPlan, rng: np.random.Generator) -> tuple[int, Step] | None:
    return _one(rng, [(number, step) for number, step in enumerate(plan.steps) if len(step.nodes) > 1])


def nodes_reordered(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A fused step names its nodes from the last to the first."""
    found = _fused(plan, rng)
    return None if found is None else plans.with_step(plan, found[0], nodes=found[1].nodes[::-1])


def node_left_out(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A fused step does without one of its nodes."""
    if (found := _fused(plan, rng)) is None:
        return None
    out = int(rng.integers(len(found[1].nodes)))
    return plans.with_step(plan, found[0], nodes=(*found[1].nodes[:out], *found[1].nodes[out + 1 :]))


def donation_withheld(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """What is written over was not given."""
    number = _one(rng, [number for number, step in enumerate(plan.steps) if step.donations])
    return None if number is None else plans.with_step(plan, number, donations=())


def donation_invented(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A result is laid over an operand of its size, which is said to be given."""
    found = [
        (number, source, target)
        for number, step in enumerate(plan.steps)
        if step.algorithm == KERNEL
        for source in step.reads
        for target in step.writes
        if plan.values[source].shape == plan.values[target].shape and (source, target) not in step.donations
    ]
    if (choice := _one(rng, found)) is None:
        return None
    number, source, target = choice
    over = plans.with_value(plan, target, pieces=plan.values[source].pieces)
    return mended(plans.with_step(over, number, donations=((source, target),)))


def life_cut(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A storage begins a step late, or ends one early."""
    index = _one(rng, [i for i, s in enumerate(plan.storages) if s.first < s.last])
    if index is None:
        return None
    storage = plan.storages[index]
    changes = {"first": storage.first + 1} if rng.random() < 0.5 else {"last": storage.last - 1}
    return plans.figures_mended(plans.with_storage(plan, index, **changes))


def other_algorithm(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A view computes, a computation is a view, a join is either."""
    number = int(rng.integers(len(plan.steps)))
    step = plan.steps[number]
    others = [algorithm for algorithm in (KERNEL, VIEW, JOIN) if algorithm != step.algorithm]
    return plans.with_step(plan, number, algorithm=_one(rng, others), donations=(), scratch=None, tile=None)


def read_forgotten(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A step does not say that it reads a value, whose storage then ends before."""
    number = _one(rng, [number for number, step in enumerate(plan.steps) if step.reads])
    if number is None:
        return None
    step = plan.steps[number]
    name = _one(rng, list(step.reads))
    donations = tuple(pair for pair in step.donations if pair[0] != name)
    reads = tuple(other for other in step.reads if other != name)
    return mended(plans.with_step(plan, number, reads=reads, donations=donations))


def scratch_over_values(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """Workspace lies over what lives."""
    number = int(rng.integers(len(plan.steps)))
    living = [plan.storages[i] for i in plan.live_storages(number) if plan.storages[i].bytes]
    if (storage := _one(rng, living)) is None or plan.steps[number].algorithm != KERNEL:
        return None
    alignment = plan.pool(storage.pool).alignment
    scratch = Scratch(storage.pool, storage.offset // alignment * alignment, alignment)
    return plans.figures_mended(plans.with_step(plan, number, scratch=scratch, tile=None))


def strips_too_short(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """The strips do not hold what they are said to, or are none."""
    number = _one(rng, [i for i, step in enumerate(plan.steps) if step.scratch is not None and step.scratch.strips])
    if number is None:
        return None
    scratch = plan.steps[number].scratch
    assert scratch is not None
    strips = int(rng.choice([0, 3, scratch.bytes + 1]))
    return plans.with_step(plan, number, scratch=dataclasses.replace(scratch, strips=strips))


def exchanged_pools(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A storage is said to lie in another pool than its values."""
    index = int(rng.integers(len(plan.storages)))
    storage = plan.storages[index]
    others = [pool.name for pool in plan.pools if pool.name != storage.pool]
    if not storage.bytes or (pool := _one(rng, others)) is None:
        return None
    storages = (*plan.storages[:index], dataclasses.replace(storage, pool=pool), *plan.storages[index + 1 :])
    return plans.figures_mended(dataclasses.replace(plan, storages=storages))


def not_stored(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A value that another step reads is nowhere."""
    read = [name for name in _stored(plan) if any(name in step.reads for step in plan.steps)]
    name = _one(rng, read)
    return None if name is None else mended(plans.with_value(plan, name, pieces=None))


def off_the_alignment(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A storage that is no part of anything begins between two multiples of the alignment, and says so."""
    inner = {piece.storage for name in _stored(plan, 2) for piece in plan.values[name].pieces or ()}
    free = [
        index for index, storage in enumerate(plan.storages)
        if index not in inner and storage.bytes and plan.pool(storage.pool).alignment > 4
    ]  # fmt: skip
    if (index := _one(rng, free)) is None:
        return None
    top = plan.pool(plan.storages[index].pool).bytes // 64 * 64 + 64 + 4
    return plans.figures_mended(plans.with_storage(plan, index, offset=top, aligned=False))


def figure_beautified(plan: MemoryPlan, rng: np.random.Generator) -> MemoryPlan | None:
    """A bound is told higher, or the arena lower, than it is."""
    placement = plan.bounds["placement"]
    wrong = [
        Bound.of(placement.bytes + 4, placement.reached + 4, ""),
        Bound.of(placement.bytes, max(placement.reached - 4, placement.bytes), ""),
        Bound(placement.bytes, placement.reached, "feasible" if placement.status == "optimal" else "optimal", ""),
    ]
    told = _one(rng, [bound for bound in wrong if (bound.bytes, bound.reached, bound.status)
                      != (placement.bytes, placement.reached, placement.status)])  # fmt: skip
    return None if told is None else dataclasses.replace(plan, bounds={**plan.bounds, "placement": told})


SPOILERS: tuple[Spoiler, ...] = (
    moved_storage,
    exchanged_pieces,
    moved_piece,
    restrided,
    changed_stride,
    reordered,
    dropped_step,
    doubled_step,
    nodes_reordered,
    node_left_out,
    donation_withheld,
    donation_invented,
    life_cut,
    other_algorithm,
    read_forgotten,
    scratch_over_values,
    strips_too_short,
    exchanged_pools,
    not_stored,
    off_the_alignment,
    figure_beautified,
)
"""All of them."""
