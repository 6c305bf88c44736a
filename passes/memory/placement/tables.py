"""From an instance to the tables of the canonical search."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from cnnir.passes.memory.placement.arrays import Items, Numbers, State
from cnnir.passes.memory.placement.core import settle
from cnnir.passes.memory.placement.instance import Instance, neighbours_of
from cnnir.passes.memory.placement.model import Slice


@dataclass(frozen=True)
class Tables:
    """An instance as items: its free bodies first, then the slices of its fixed ones.

    Attributes:
        instance: What it was made from.
        bodies: The free body of each item, as far as these go.
        items: The tables, for a capacity and an order that do not matter.
        sections: How many there are.
        sums: Units live in each section.
        tops: Of each entry in `Items.sect`, from the item's base to the end of the slice.
    """

    instance: Instance
    bodies: tuple[int, ...]
    items: Items
    sections: int
    sums: Numbers
    tops: Numbers

    def for_capacity(self, capacity: int) -> Items:
        """The tables for a capacity in bytes."""
        instance = self.instance
        limit = []
        for body in self.bodies:
            most = (capacity - instance.reach[body]) // instance.unit
            limit.append(most // instance.step[body] * instance.step[body])
        limit += self.items.fixed[len(self.bodies) :]
        return self.items._replace(limit=limit, capacity=self._capacities(limit))

    def _capacities(self, limit: Sequence[int]) -> Numbers:
        """How high the slices of each section may reach, whichever is the topmost."""
        items = self.items
        found = [0] * self.sections
        for section in range(self.sections):
            for j in range(items.sect_at[section], items.sect_at[section + 1]):
                item = items.sect[j]
                found[section] = max(found[section], limit[item] + self.tops[j])
        return found

    def start(self, items: Items) -> State:
        """Nothing is placed; for the tables of some capacity."""
        count = len(items.first)
        trail = 2 * len(items.near) + 64 * count + 1024
        crossing = [0] * (self.sections + 1)
        for first, end in zip(items.first, items.end, strict=True):
            for section in range(first + 1, end):
                crossing[section] += 1
        floors = [max(base, 0) for base in items.fixed]
        state = State(
            floor=floors,
            status=_zeros(count),
            rest=list(self.sums),
            crossing=crossing,
            trail_item=_zeros(trail),
            trail_floor=_zeros(trail),
            trail_status=_zeros(trail),
            stack=_zeros(count + 1),
            frame_low=_zeros(count + 2),
            frame_high=_zeros(count + 2),
            frame_entry=_zeros(count + 2),
            frame_item=_zeros(count + 2),
            frame_mark=_zeros(count + 2),
            frame_depth=_zeros(count + 2),
            frame_next=_zeros(count + 2),
            frame_final=_zeros(count + 2),
            frame_level=_zeros(count + 2),
            blamed=_zeros(self.sections),
            witness=list(items.sect_at),
            counts=[0, 0, 0, 0, 0, 0, int(all(items.plain))],
        )
        for item in range(count):
            if items.fixed[item] < 0:
                floors[item] = settle(items, state, item, 0)
        return state


def _zeros(count: int) -> Numbers:
    return [0] * count


def tables_of(instance: Instance) -> Tables:
    """The tables of an instance."""
    bodies = instance.free
    shapes: list[tuple[Slice, ...]] = [instance.slices[body] for body in bodies]
    fixed = [-1] * len(bodies)
    steps = [instance.step[body] for body in bodies]
    for body, base in enumerate(instance.fixed):
        for piece in instance.slices[body] if base is not None else ():
            shapes.append((Slice(0, piece.bytes, piece.first, piece.last),))
            fixed.append((base or 0) + piece.offset)
            steps.append(1)
    spans, sections = _sections([piece for pieces in shapes for piece in pieces])
    pieces_at = [0, *accumulate(len(pieces) for pieces in shapes)]
    rows = neighbours_of(shapes)
    live: list[list[tuple[int, int, int]]] = [[] for _ in range(sections)]
    sums = [0] * sections
    for item, pieces in enumerate(shapes):
        for piece, (first, end) in zip(pieces, spans[pieces_at[item] : pieces_at[item + 1]], strict=True):
            for section in range(first, end):
                live[section].append((item, piece.offset, piece.offset + piece.bytes))
                sums[section] += piece.bytes
    plain = [int(all((p.offset, p.bytes) == (0, pieces[0].bytes) for p in pieces)) for pieces in shapes]
    items = Items(
        first=[min(first for first, _ in spans[a:b]) for a, b in pairwise(pieces_at)],
        end=[max(end for _, end in spans[a:b]) for a, b in pairwise(pieces_at)],
        step=steps,
        limit=list(fixed),
        fixed=fixed,
        plain=plain,
        easy=[
            int(plain[i] and steps[i] == 1 and fixed[i] < 0 and all(plain[o] and fixed[o] < 0 for o, _, _ in row))
            for i, row in enumerate(rows)
        ],
        near_at=[0, *accumulate(len(row) for row in rows)],
        near=[other for row in rows for other, _, _ in row],
        low=[low for row in rows for _, low, _ in row],
        high=[high for row in rows for _, _, high in row],
        piece_at=pieces_at,
        piece_first=[first for first, _ in spans],
        piece_end=[end for _, end in spans],
        piece_size=[piece.bytes for pieces in shapes for piece in pieces],
        sect_at=[0, *accumulate(len(row) for row in live)],
        sect=[item for row in live for item, _, _ in row],
        above=[offset for row in live for _, offset, _ in row],
        capacity=[0] * sections,
        order=list(range(len(shapes))),
    )
    return Tables(instance, bodies, items, sections, sums, [top for row in live for _, _, top in row])


def _sections(slices: Sequence[Slice]) -> tuple[list[tuple[int, int]], int]:
    """For each slice its first section and the one behind its last; and how many there are.

    A section is a time at which the set of live slices is largest: one that holds all others around it. It is over when
    a slice ends after another has begun.
    """
    events = sorted(
        event for index, piece in enumerate(slices) for event in ((piece.first, 1, index), (piece.last + 1, 0, index))
    )
    first, end = [0] * len(slices), [0] * len(slices)
    section, begun = 0, False
    for _, begins, index in events:
        if begins:
            first[index], begun = section, True
            continue
        if begun:
            section, begun = section + 1, False
        end[index] = section
    return list(zip(first, end, strict=True)), section
