"""What has to be placed, and where it was: buffers, rigid bodies of several slices, placements."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cnnir.errors import CnnirError

OPTIMAL, FITS, TOO_LARGE, OPEN = "optimal", "fits", "does not fit", "open"
"""What a placement is: as low as can be; within the capacity; proved not to fit it; none of these."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes that are needed from step `first` to step `last`, both included."""

    bytes: int
    first: int
    last: int

    @property
    def duration(self) -> int:
        """Number of steps it lives."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of a body: bytes that lie `offset` bytes above its base, from step `first` to step `last`, both included."""

    offset: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Body:
    """Slices that keep their distances: a concatenation written slice by slice, a buffer that rests in between.

    Two slices of a body may take the same bytes at different steps; bytes between slices, and a slice's bytes when it
    does not live, are free for others.

    Attributes:
        slices: In any order.
        fixed: The base, where it is not to be chosen; the alignment does not hold for it.
        alignment: The base is a multiple of this, and of what is asked for all bodies together.
    """

    slices: tuple[Slice, ...]
    fixed: int | None = None
    alignment: int = 1

    @property
    def reach(self) -> int:
        """Bytes from the base to the end of the uppermost slice."""
        return max((piece.offset + piece.bytes for piece in self.slices if piece.bytes), default=0)


@dataclass(frozen=True, slots=True)
class Placement:
    """An offset for each body.

    Attributes:
        offsets: Of their bases, in the bodies' order.
        height: The first byte behind all of them.
        bound: The largest sum of bytes live at one step. No placement is lower.
        heuristic: What found it.
        proved: No placement is lower than this either, which takes alignment, fixed bodies and exhaustive search into
            account; at least the bound.
        capacity: What it was to fit into; None for as low as can be.
        nodes: Nodes that the searches took.
    """

    offsets: tuple[int, ...]
    height: int
    bound: int
    heuristic: str
    proved: int
    capacity: int | None = None
    nodes: int = 0

    @property
    def status(self) -> str:
        """One of `OPTIMAL`, `FITS`, `TOO_LARGE` and `OPEN`."""
        if self.capacity is not None and self.height > self.capacity:
            return TOO_LARGE if self.proved > self.capacity else OPEN
        if self.height == self.proved:
            return OPTIMAL
        return OPEN if self.capacity is None else FITS


@dataclass
class Answer:
    """What a search found.

    Attributes:
        bases: Of all bodies in units; None when none was found.
        impossible: It is proved that there is none.
        nodes: Nodes taken.
        how: The order that found it.
    """

    bases: list[int] | None
    impossible: bool
    nodes: int
    how: str = ""


Placeable: TypeAlias = Buffer | Body | Sequence[int]
"""A buffer, a body, or (first step, last step, bytes)."""


def bodies_of(items: "Iterable[Placeable] | np.ndarray[tuple[int, ...], np.dtype[np.integer]]") -> tuple[Body, ...]:
    """Everything as bodies.

    Raises:
        CnnirError: ``placement-body``: a size, a life, an offset or an alignment that cannot be, slices of a body that
            take the same bytes at the same step.
    """
    if isinstance(items, np.ndarray):
        if items.ndim != 2 or items.shape[1] != 3 or not np.issubdtype(items.dtype, np.integer):
            raise CnnirError(
                "placement-body",
                "an array of lives has three columns of integers",
                expected="(n, 3): first step, last step, bytes",
                got=f"{items.shape} of {items.dtype}",
            )
        items = items.tolist()
    found = tuple(_body(item) for item in items)
    for index, body in enumerate(found):
        _check(body, index)
    return found


def _body(item: Placeable) -> Body:
    if isinstance(item, Body):
        return item
    if isinstance(item, Buffer):
        return Body((Slice(0, item.bytes, item.first, item.last),))
    try:
        first, last, size = (int(number) for number in item)
    except (TypeError, ValueError):
        raise CnnirError(
            "placement-body", "no buffer", expected="a Buffer, a Body or (first step, last step, bytes)", got=item
        ) from None
    return Body((Slice(0, size, first, last),))


def _check(body: Body, index: int) -> None:
    where = f"body {index}"
    for piece in body.slices:
        if piece.bytes < 0 or piece.offset < 0:
            raise CnnirError("placement-body", "sizes and offsets are not negative", node=where, got=piece)
        if piece.first > piece.last:
            raise CnnirError("placement-body", "it ends before it begins", node=where, got=piece)
    if body.alignment < 1:
        raise CnnirError("placement-body", "an alignment is a positive number", node=where, got=body.alignment)
    if body.fixed is not None and body.fixed < 0:
        raise CnnirError("placement-body", "a base is not negative", node=where, got=body.fixed)
    if len(body.slices) > 1:
        pieces = sorted((piece for piece in body.slices if piece.bytes), key=lambda piece: piece.offset)
        for position, piece in enumerate(pieces):
            for other in pieces[position + 1 :]:
                if other.offset >= piece.offset + piece.bytes:
                    break
                if other.first <= piece.last and piece.first <= other.last:
                    raise CnnirError(
                        "placement-body", "two of its slices take the same bytes at the same step", node=where,
                        got=f"{piece} and {other}",
                    )  # fmt: skip


def rounded_up(number: int, step: int) -> int:
    """The smallest multiple of the step that is no less."""
    return -(-number // step) * step


def common_alignment(body: Body, alignment: int) -> int:
    """What the base of a body is a multiple of, when all are to be multiples of `alignment`."""
    return math.lcm(body.alignment, alignment)
