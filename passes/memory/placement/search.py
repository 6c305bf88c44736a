"""Attempts at a capacity: the canonical search with one order of the items after the other, and growing limits.

No order is best everywhere, and one that goes wrong early stays wrong for long: many short attempts find more than one
long one. Fixed orders take turns with climbs from one order to the next; limits grow with either, so that attempts
become exhaustive in the end.
"""

import random
from collections.abc import Generator
from itertools import count

from cnnir.passes.memory.placement import core
from cnnir.passes.memory.placement.arrays import State
from cnnir.passes.memory.placement.climb import Climb
from cnnir.passes.memory.placement.compiled import Search, as_arrays, compiled_search, is_available
from cnnir.passes.memory.placement.instance import Instance
from cnnir.passes.memory.placement.model import Answer
from cnnir.passes.memory.placement.tables import Tables, tables_of

_ORDERS = ("WAT", "TWA", "AWT", "TAW", "SWA", "LBT")
"""Keys in order, each from large to small: sections W and steps L of a life, each times the size (A and B), the size S,
and the largest sum of a section in which it lives, T."""

_CLIMBS = "ALWB"
"""Keys from which climbs begin, in turn."""

_FIRST_LIMIT = 2
"""Nodes for each item in the first attempts."""

_SHARE = 2
"""After a climb, a fixed order gets as many nodes as the climb has taken, cut into so many parts."""

_ENOUGH = 12
"""Orders that end without a placement where that proves nothing, before no more are tried."""

_WORTH_COMPILING = 2_000
"""Nodes in all from which machine code pays: it takes a second to load."""


def _luby(turn: int) -> int:
    """1, 1, 2, 1, 1, 2, 4, ...: within a constant of the best restarts whatever the chances are (Luby et al. 1993)."""
    bits = turn.bit_length()
    return 1 << (bits - 1) if turn + 1 == 1 << bits else _luby(turn - (1 << (bits - 1)) + 1)


class Searcher:
    """The canonical search over one instance, for any capacity."""

    def __init__(self, instance: Instance, *, compiled: bool | None = None) -> None:
        """Tables for an instance; `compiled` says whether machine code is used, None for where it pays."""
        self.tables: Tables = tables_of(instance)
        self.instance = instance
        self.compiled = compiled
        self.nodes = 0
        self._keys = _keys_of(self.tables)

    @property
    def complete(self) -> bool:
        """Whether a search that ends without a placement proves that there is none."""
        return all(self.tables.items.plain)

    def run(self, capacity: int, effort: int, seed: int) -> Answer:
        """Look for a placement that is no higher than the capacity.

        Args:
            capacity: Bytes.
            effort: Nodes, in all attempts together.
            seed: Of the noise.
        """
        items = self.tables.for_capacity(capacity)
        state = self.tables.start(items)
        if any(floor > limit for floor, limit in zip(state.floor, items.limit, strict=True)):
            return Answer(None, impossible=True, nodes=0)
        search: Search = core.search
        compiled = False
        nodes = exhausted = 0
        attempts = self._attempts(random.Random(seed))  # noqa: S311  nothing secret
        how, order, limit = next(attempts)
        while nodes < effort and exhausted <= _ENOUGH:
            limit = min(limit, effort - nodes)
            self.nodes += limit
            if not compiled and self._is_worth_compiling():
                search = compiled_search()
                compiled = True
                items, state = as_arrays(items, state)
            items.order[:] = order
            found = search(items, state, self.tables.sections, limit)
            nodes += int(state.counts[core.NODES])
            if found == core.FOUND:
                return Answer(self._bases(state), impossible=False, nodes=nodes, how=how)
            exhausted += found == core.NONE
            if exhausted and self.complete:
                return Answer(None, impossible=True, nodes=nodes)
            how, order, limit = attempts.send(state)
        return Answer(None, impossible=False, nodes=nodes)

    def _is_worth_compiling(self) -> bool:
        return self.compiled if self.compiled is not None else self.nodes > _WORTH_COMPILING and is_available()

    def _attempts(self, generator: random.Random) -> Generator[tuple[str, list[int], int], State, None]:
        """(how, order, nodes) without end; the state that an attempt has left is sent, and decides how to go on."""
        least = _FIRST_LIMIT * len(self.tables.items.first) + 100
        for name in _ORDERS:
            state = yield f"canonical search by {name}", self._order(name), least
        for turn in count(1):
            name, limit, nodes = _CLIMBS[turn % len(_CLIMBS)], least * _luby(turn), 0
            climb = Climb(self.tables.items, self.tables.sections, self._keys[name], generator)
            while not climb.is_over:
                state = yield f"climb {turn} from {name}", climb.order(), limit
                climb.learn(int(state.counts[core.MOST]), state.blamed)
                nodes += int(state.counts[core.NODES])
            name = _ORDERS[turn % len(_ORDERS)]
            yield f"canonical search by {name}", self._order(name), nodes // _SHARE

    def _order(self, name: str) -> list[int]:
        keys = [self._keys[letter] for letter in name]
        return sorted(range(len(keys[0])), key=lambda item: ([-key[item] for key in keys], item))

    def _bases(self, state: State) -> list[int]:
        bases = [base or 0 for base in self.instance.fixed]
        for item, body in enumerate(self.tables.bodies):
            bases[body] = int(state.floor[item])
        return bases


def _keys_of(tables: Tables) -> dict[str, list[int]]:
    items = tables.items
    shapes = [tables.instance.slices[body] for body in tables.bodies]
    found: dict[str, list[int]] = {letter: [] for letter in "WALBST"}
    for item, (first, end) in enumerate(zip(items.first, items.end, strict=True)):
        pieces = range(items.piece_at[item], items.piece_at[item + 1])
        steps = 0
        if item < len(shapes):
            steps = max(piece.last for piece in shapes[item]) - min(piece.first for piece in shapes[item]) + 1
        size = max(items.piece_size[piece] for piece in pieces)
        found["W"].append(end - first)
        found["A"].append(sum(items.piece_size[p] * (items.piece_end[p] - items.piece_first[p]) for p in pieces))
        found["L"].append(steps)
        found["B"].append(size * steps)
        found["S"].append(size)
        found["T"].append(max(tables.sums[first:end], default=0))
    return found
