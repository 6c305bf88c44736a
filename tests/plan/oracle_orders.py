"""The oracle's part about orders: the least that any order of a plan's steps needs, by trying all, from JSON alone.

The steps stay what they are, and so does what shares bytes with what: views, and parts of others. What changes with the
order is which storages live together.
"""

import json
from functools import cache
from typing import Any

STEPS = 10
"""Of a plan at most, views apart: more have too many orders."""


def least_peak(text: str) -> int | None:
    """The least peak of all orders of the steps of a plan, in bytes.

    Args:
        text: The plan's JSON. A storage lives from the first step that touches it to the last; what the caller keeps
            lives on.

    Returns:
        None for a plan of too many steps, or of one in which an order would change what is written over what.
    """
    document: Any = json.loads(text)
    steps = [step for step in document["steps"] if step["algorithm"] != "view"]
    if len(steps) > STEPS or any(step["donations"] for step in steps):
        return None
    return _Orders(document, steps).least()


class _Orders:
    """All orders of a plan's steps, by the sets of those that have run."""

    def __init__(self, document: Any, steps: list[Any]) -> None:
        self.storages = document["storages"]
        self.counted = {pool["name"] for pool in document["pools"] if pool["counted"]}
        self.full = (1 << len(steps)) - 1
        places = {
            name: frozenset(piece["storage"] for piece in value["pieces"] or ())
            for name, value in document["values"].items()
        }
        self.touched = [frozenset(s for name in (*t["reads"], *t["writes"]) for s in places[name]) for t in steps]
        self.scratch = [0 if t["scratch"] is None else t["scratch"]["bytes"] for t in steps]
        self.given = frozenset(s for name in document["inputs"] for s in places[name])
        self.kept = frozenset(s for name in document["outputs"] for s in places[name])
        self.needs = self._needs(document, steps)

    def _needs(self, document: Any, steps: list[Any]) -> list[int]:
        """For each step the mask of those that must have run: who makes what it reads, through views, too."""
        maker = {name: 1 << number for number, step in enumerate(steps) for name in step["writes"]}
        for view in document["steps"]:
            if view["algorithm"] == "view":
                behind = 0
                for name in view["reads"]:
                    behind |= maker.get(name, 0)
                maker.update(dict.fromkeys(view["writes"], behind))
        found = []
        for step in steps:
            mask = 0
            for name in step["reads"]:
                mask |= maker.get(name, 0)
            found.append(mask)
        return found

    def live(self, done: int, extra: int) -> int:
        """Bytes at a step: of what has begun by its end and was not over before it."""
        total = self.scratch[extra]
        for index, storage in enumerate(self.storages):
            if storage["pool"] not in self.counted:
                continue
            by = [number for number, touched in enumerate(self.touched) if index in touched]
            begun = index in self.given or any(done >> number & 1 or number == extra for number in by)
            over = index not in self.kept and all(done >> number & 1 for number in by)
            # What nobody touches at all lives at the first step alone.
            over = over and (bool(by) or bool(done))
            total += storage["bytes"] if begun and not over else 0
        return total

    def least(self) -> int:
        @cache
        def best(done: int) -> int:
            if done == self.full:
                return 0
            ready = [n for n, needs in enumerate(self.needs) if not done >> n & 1 and not needs & ~done]
            return min(max(self.live(done, number), best(done | 1 << number)) for number in ready)

        return best(0)


def complaint(text: str) -> str | None:
    """What is wrong with a plan's bound of the order, None when it holds or cannot be tried."""
    least = least_peak(text)
    bound = json.loads(text)["bounds"]["order"]
    if least is None:
        return None
    if bound["status"] == "optimal" and bound["bytes"] != least:
        return f"the order is said to be best at {bound['bytes']}, the least of all orders is {least}"
    return f"no order is said to need less than {bound['bytes']}, one needs {least}" if bound["bytes"] > least else None
