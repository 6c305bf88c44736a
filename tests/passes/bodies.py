"""Bodies for placement tests, and an oracle that lays them out byte by byte."""

from collections.abc import Sequence

import numpy as np

from cnnir.passes.memory import Body, Placement, Slice


def random_body(rng: np.random.Generator, *, steps: int, sizes: int, most: int = 3) -> Body:
    """One to `most` slices that do not overlap, in a body that may be fixed or aligned."""
    while True:
        pieces = []
        for _ in range(int(rng.integers(1, most + 1))):
            first = int(rng.integers(0, steps))
            last = int(rng.integers(first, steps))
            pieces.append(Slice(int(rng.integers(0, sizes)), int(rng.integers(1, sizes)), first, last))
        if len(pieces) == 1:
            pieces[0] = Slice(0, pieces[0].bytes, pieces[0].first, pieces[0].last)
        if len(cells(Body(tuple(pieces)), 0)) == sum(p.bytes * (p.last - p.first + 1) for p in pieces):
            return Body(tuple(pieces), alignment=int(rng.choice([1, 1, 2, 3])))


def cells(body: Body, base: int) -> set[tuple[int, int]]:
    """Every (step, byte) that a body takes."""
    return {
        (step, base + piece.offset + byte)
        for piece in body.slices
        for step in range(piece.first, piece.last + 1)
        for byte in range(piece.bytes)
    }


def top(body: Body) -> int:
    return max((piece.offset + piece.bytes for piece in body.slices if piece.bytes), default=0)


def assert_bodies_lie_well(bodies: Sequence[Body], placement: Placement, alignment: int = 1) -> None:
    """No byte is taken twice, bases are where they may be, and the height is the height."""
    taken: set[tuple[int, int]] = set()
    for body, base in zip(bodies, placement.offsets, strict=True):
        mine = cells(body, base)
        assert not mine & taken
        taken |= mine
        if body.fixed is None:
            assert base >= 0
            assert base % alignment == base % body.alignment == 0
        else:
            assert base == body.fixed
    assert placement.height == max((byte + 1 for _, byte in taken), default=0)
    live = [sum(1 for step, _ in taken if step == each) for each in {step for step, _ in taken}]
    assert placement.bound == max(live, default=0)
    assert placement.bound <= placement.proved <= placement.height


def least(bodies: Sequence[Body], alignment: int, most: int) -> int:
    """The least height up to `most`, by trying every base of every body."""
    order = sorted(bodies, key=lambda body: (body.fixed is None, -top(body)))
    best = most + 1

    def lay(index: int, taken: frozenset[tuple[int, int]], height: int) -> None:
        nonlocal best
        if height >= best:
            return
        if index == len(order):
            best = height
            return
        body = order[index]
        step = int(np.lcm(alignment, body.alignment))
        for base in [body.fixed] if body.fixed is not None else range(0, best - top(body), step):
            mine = cells(body, base)
            if not mine & taken:
                lay(index + 1, taken | mine, max(height, base + top(body)))

    lay(0, frozenset(), 0)
    return best
