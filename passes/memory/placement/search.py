"""Attempts at a capacity: the canonical search with one order of the items after the other, and growing limits.

No order is best everywhere, and one that goes wrong early stays wrong for long: many short attempts find more than one
long one. Fixed orders take turns with noisy ones; some limits grow, so that attempts become exhaustive in the end.
Noisy orders learn: what lives where attempts have failed goes in front (weighted degrees: Boussemart, Hemery, Lecoutre
and Sais, "Boosting Systematic Search by Weighting Constraints", ECAI 2004).
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count

from cnnir.passes.memory.placement import core
from cnnir.passes.memory.placement.arrays import State
from cnnir.passes.memory.placement.compiled import as_arrays, compiled_search, is_available
from cnnir.passes.memory.placement.instance import Instance
from cnnir.passes.memory.placement.model import Answer
from cnnir.passes.memory.placement.tables import Tables, tables_of

_ORDERS = ("WAT", "TWA", "AWT", "TAW", "SWA", "LBT")
"""Keys in order, each from large to small: sections W and steps L of a life, each times the size (A and B), the size S,
and the largest sum of a section in which it lives, T."""

_NOISE = (0.1, 0.3, 0.8)
"""By how much the keys of noisy orders may shrink."""

_BLAME = (10, 30, 3)
"""How much larger the key of an item counts in the section in which most attempts have failed; they take turns."""

_FADING = 0.99
"""What is left of each failure after another attempt."""

_FIRST_LIMIT = 4
"""Nodes for each item in the first attempts."""

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
        self._blamed = [0.0] * self.tables.sections

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
        nodes = exhausted = 0
        self._blamed = [0.0] * self.tables.sections
        if any(reach > capacity for reach in self.instance.reach):
            return Answer(None, impossible=True, nodes=0)
        for how, order, limit in self._attempts(seed):
            found, state = self._attempt(capacity, order, min(limit, effort - nodes))
            nodes += int(state.counts[core.NODES])
            failures = zip(self._blamed, state.blamed, strict=True)
            self._blamed = [before * _FADING + int(failed) for before, failed in failures]
            if found == core.FOUND:
                return Answer(self._bases(state), impossible=False, nodes=nodes, how=how)
            exhausted += found == core.NONE
            if exhausted and self.complete:
                return Answer(None, impossible=True, nodes=nodes)
            if nodes >= effort or exhausted > _ENOUGH:
                break
        return Answer(None, impossible=False, nodes=nodes)

    def _attempts(self, seed: int) -> Iterator[tuple[str, list[int], int]]:
        """(how, order, nodes) without end: the fixed orders whenever the limit is a new one, noisy ones always."""
        generator = random.Random(seed)  # noqa: S311  nothing secret
        least, longest = _FIRST_LIMIT * len(self.tables.items.first) + 100, 0
        for turn in count(1):
            limit = least * _luby(turn)
            if limit > longest:
                longest = limit
                for name in _ORDERS:
                    yield f"canonical search by {name}", self._order(name), limit
            for noise in _NOISE:
                name = generator.choice("WATSLB")
                order = self._learnt_order(self._keys[name], _BLAME[turn % len(_BLAME)], noise, generator)
                yield f"canonical search by {name} and failures", order, limit

    def _order(self, name: str) -> list[int]:
        keys = [self._keys[letter] for letter in name]
        return sorted(range(len(keys[0])), key=lambda item: ([-key[item] for key in keys], item))

    def _learnt_order(self, key: Sequence[int], blame: int, noise: float, generator: random.Random) -> list[int]:
        """By a key that counts more where attempts have failed, and shrinks by some noise."""
        most = max(self._blamed, default=0) or 1
        items = self.tables.items
        scores = []
        for first, end, size in zip(items.first, items.end, key, strict=True):
            failed = max(self._blamed[first:end]) / most
            scores.append(size * generator.uniform(1 - noise, 1) * (1 + blame * failed))
        return sorted(range(len(scores)), key=lambda item: (-scores[item], item))

    def _attempt(self, capacity: int, order: list[int], limit: int) -> tuple[int, State]:
        items, state = self.tables.for_capacity(capacity, order), self.tables.start()
        if any(state.floor[item] > items.limit[item] for item in range(len(items.limit))):
            return core.NONE, state
        self.nodes += limit
        if self.compiled if self.compiled is not None else self.nodes > _WORTH_COMPILING and is_available():
            items, state = as_arrays(items, state)
            return compiled_search()(items, state, self.tables.sections, limit), state
        return core.search(items, state, self.tables.sections, limit), state

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
