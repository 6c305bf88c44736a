"""What spilling costs at least, by trying everything: every choice of memories, every offset. Plain and slow.

Nothing here rests on the planner. Bodies and what steps move are read off the JSON of a plan in one arena, a byte at a
time.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.plan import oracle_figures


@dataclass(frozen=True)
class Piece:
    """Bytes that are taken from a step to a step."""

    offset: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Lot:
    """What lies in one memory.

    Attributes:
        pieces: At fixed distances.
        traffic: Bytes moved.
        pinned: It has to lie in the first memory that is large enough.
    """

    pieces: tuple[Piece, ...]
    traffic: int
    pinned: bool = False

    @property
    def reach(self) -> int:
        return max((piece.offset + piece.bytes for piece in self.pieces if piece.bytes), default=0)


@dataclass(frozen=True)
class Room:
    """A memory."""

    capacity: int | None
    cost: int


def least_cost(lots: Sequence[Lot], rooms: Sequence[Room], alignment: int) -> int | None:
    """The least cost over all choices of a room for each lot that have a placement; None when there is no such choice.

    Args:
        lots: What has to lie somewhere.
        rooms: The cheapest first.
        alignment: Of each lot's base.
    """
    known: dict[tuple[int, tuple[int, ...]], bool] = {}

    def fits(room: int, members: tuple[int, ...]) -> bool:
        capacity = rooms[room].capacity
        if capacity is None:
            return True
        if (room, members) not in known:
            known[room, members] = can_be_placed([lots[lot] for lot in members], capacity, alignment)
        return known[room, members]

    def choices(lot: Lot) -> Iterable[int]:
        roomy = [i for i, room in enumerate(rooms) if room.capacity is None or lot.reach <= room.capacity]
        return roomy[:1] if lot.pinned else roomy

    best = None
    for choice in itertools.product(*map(choices, lots)):
        cost = sum(lot.traffic * rooms[room].cost for lot, room in zip(lots, choice, strict=True))
        if (best is None or cost < best) and all(
            fits(room, tuple(lot for lot, chosen in enumerate(choice) if chosen == room)) for room in range(len(rooms))
        ):
            best = cost
    return best


def can_be_placed(lots: Sequence[Lot], capacity: int, alignment: int) -> bool:
    """Is there an offset for each, of all that can matter?

    In a lowest placement each lot lies on the floor, or some piece of it on a piece of another one, and so on down to
    the floor: all such towers are built.
    """
    todo = [lot for lot in lots if lot.reach]
    if not lives_fit(lots, capacity):
        return False
    if all(sum(piece.bytes > 0 for piece in lot.pieces) == 1 for lot in todo):
        return _sink(todo, capacity, alignment)
    bases = _towers(todo, capacity, alignment)

    def rest(number: int, placed: tuple[tuple[Lot, int], ...]) -> bool:
        if number == len(todo):
            return True
        lot = todo[number]
        return any(
            rest(number + 1, (*placed, (lot, base)))
            for base in bases[number]
            if not any(_clash(lot, base, other, at) for other, at in placed)
        )

    return rest(0, ())


def _sink(lots: Sequence[Lot], capacity: int, alignment: int) -> bool:
    """The same where each is one piece: laid down in some order, each as low as it goes."""
    met: set[frozenset[tuple[int, int]]] = set()
    waiting: list[frozenset[tuple[int, int]]] = [frozenset()]
    while waiting:
        placed = waiting.pop()
        if placed in met:
            continue
        met.add(placed)
        if len(placed) == len(lots):
            return True
        for index in set(range(len(lots))) - {index for index, _ in placed}:
            lot = lots[index]
            tops = {-(-(at + lots[other].reach) // alignment) * alignment for other, at in placed} | {0}
            base = next(b for b in sorted(tops) if not any(_clash(lot, b, lots[other], at) for other, at in placed))
            if base + lot.reach <= capacity:
                waiting.append(placed | {(index, base)})
    return False


def _towers(lots: Sequence[Lot], capacity: int, alignment: int) -> list[list[int]]:
    """For each lot the bases that it may have."""
    found: list[set[int]] = [set() for _ in lots]
    met: set[tuple[int, int, frozenset[int]]] = set()
    waiting = [(index, 0, frozenset([index])) for index in range(len(lots))]
    while waiting:
        state = waiting.pop()
        index, base, below = state
        if state in met or base + lots[index].reach > capacity:
            continue
        met.add(state)
        found[index].add(base)
        for other in set(range(len(lots))) - below:
            for p, q in itertools.product(lots[index].pieces, lots[other].pieces):
                if p.bytes and q.bytes and p.first <= q.last and q.first <= p.last:
                    on_top = -(-max(base + p.offset + p.bytes - q.offset, 0) // alignment) * alignment
                    waiting.append((other, on_top, below | {other}))
    return [sorted(bases) for bases in found]


def lives_fit(lots: Sequence[Lot], capacity: int) -> bool:
    pieces = [piece for lot in lots for piece in lot.pieces]
    last = max((piece.last for piece in pieces), default=0)
    return all(sum(p.bytes for p in pieces if p.first <= step <= p.last) <= capacity for step in range(last + 1))


def _clash(lot: Lot, base: int, other: Lot, at: int) -> bool:
    return any(
        base + p.offset < at + q.offset + q.bytes and at + q.offset < base + p.offset + p.bytes
        for p, q in itertools.product(lot.pieces, other.pieces)
        if p.bytes and q.bytes and p.first <= q.last and q.first <= p.last
    )


def lots_of(document: Any, *, moving: bool = True) -> list[Lot]:
    """Bodies of a plan in one arena, and the workspace of its steps; what moves is counted if that is wanted."""
    storages = document["storages"]
    groups = [{index} for index in range(len(storages))]
    for value in document["values"].values():
        together = {piece["storage"] for piece in value["pieces"] or []}
        met = [group for group in groups if group & together]
        groups = [group for group in groups if not group & together] + ([set().union(*met)] if met else [])
    moved, lots = _moved(document) if moving else [0] * len(storages), list[Lot]()
    for group in groups:
        base = min(storages[index]["offset"] for index in group)
        members = [storages[index] for index in sorted(group)]
        pieces = (Piece(s["offset"] - base, s["bytes"], s["first"], s["last"]) for s in members)
        lots.append(Lot(tuple(pieces), sum(moved[index] for index in group)))
    for number, step in enumerate(document["steps"]):
        if step["scratch"] is not None:
            lots.append(Lot((Piece(0, step["scratch"]["bytes"], number, number),), 0, pinned=True))
    return lots


def _moved(document: Any) -> list[int]:
    """Bytes that all steps read and write in each storage, counted one by one."""
    storages, moved = document["storages"], [0] * len(document["storages"])
    for number, step in enumerate(document["steps"]):
        for bytes_ in oracle_figures.moved(document, step):
            for _, address in bytes_:
                (index,) = [
                    i
                    for i, s in enumerate(storages)
                    if s["first"] <= number <= s["last"] and s["offset"] <= address < s["offset"] + s["bytes"]
                ]
                moved[index] += 1
    return moved
