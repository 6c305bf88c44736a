"""Whether a budget will do, by trying everything: every order, with slices in place and copied, every placement.

The plans are the planner's, one for each order and way to share; what they need, and whether that can be placed, is
read off their JSON a byte at a time.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnir.graph import Graph
from cnnir.passes.memory import Answer, fits
from cnnir.plan import MemoryPlan
from cnnir.units import format_bytes
from tests.passes.spilling import Lot, can_be_placed, lives_fit, lots_of
from tests.plan import oracle

ORDERS = 24
"""Of a network that is small enough to try all of them."""

LOTS = 6
"""Bodies and workspaces of such a network, whose placements are all tried; beyond, only what lives is looked at."""

RIGID = 4
"""The same, where some of them are in several pieces: that takes much longer."""


def all_orders(graph: Graph) -> list[tuple[str, ...]] | None:
    """Every order of the nodes; None where there are many."""
    needs = {
        node.name: {value.producer.name for value in node.operands if value.producer is not None}
        for node in graph.nodes
    }
    found: list[tuple[str, ...]] = [()]
    for _ in graph.nodes:
        found = [(*order, name) for order in found for name, needed in needs.items()
                 if name not in order and needed <= set(order)]  # fmt: skip
        if len(found) > ORDERS:
            return None
    return found


@dataclass(frozen=True)
class Tried:
    """One order in one way to share: what lies in memory, and the labels of the steps."""

    lots: list[Lot]
    labels: list[str]
    arena: int

    @property
    def lives(self) -> list[int]:
        """Bytes that live at each step."""
        pieces = [piece for lot in self.lots for piece in lot.pieces]
        return [sum(p.bytes for p in pieces if p.first <= step <= p.last) for step in range(len(self.labels))]

    def has_room(self, budget: int, alignment: int) -> bool | None:
        """Whether there is a placement; None where not all were tried."""
        if not lives_fit(self.lots, budget):
            return False
        most = LOTS if all(len(lot.pieces) == 1 for lot in self.lots) else RIGID
        return can_be_placed(self.lots, budget, alignment) if len(self.lots) <= most else None


def tried(plan: MemoryPlan) -> Tried:
    """What is read off a plan."""
    document = json.loads(plan.to_json())
    labels = [" + ".join(step["nodes"]) for step in document["steps"]]
    return Tried(lots_of(document, moving=False), labels, plan.arena_bytes)


def drawn_options(rng: np.random.Generator) -> dict[str, Any]:
    """How to plan."""
    return {
        "alignment": int(rng.choice([4, 64])),
        "in_place": bool(rng.integers(4)),
        "fuse": str(rng.choice(["none", "none", "epilogues", "steps"])),
        "workspace": str(rng.choice(["none", "none", "today"])),
    }


def surprises(
    graph: Graph, orders: Sequence[tuple[str, ...]], order: str, rng: np.random.Generator, met: Counter[str],
    options: dict[str, Any],
) -> Iterator[str]:  # fmt: skip
    """What is wrong with the answers for a few budgets of one network, around what it needs."""
    ways = (False,) if options["fuse"] == "none" else (True, False)
    chosen = orders if order == "auto" else ["file"]
    each = [tried(graph.plan(order=one, concat=way, **options)) for one in chosen for way in ways]
    least = min(max(one.lives) for one in each)
    for budget in sorted({least - 1, least, int(least * rng.uniform(1, 1.1)), min(one.arena for one in each)}):
        answer = fits(graph, budget, order=order, **options)
        rooms = [one.has_room(budget, options["alignment"]) for one in each]
        possible = True if True in rooms else None if None in rooms else False
        placed = answer.reason.endswith(("placement", f"lower than {format_bytes(budget + 1)}"))
        how = "by placement" if placed else "by bytes"
        met[f"{answer.verdict}, {how}" if answer.verdict == "does not fit" else answer.verdict] += 1
        where = f"{options}, order {order}, {budget} bytes"
        if answer.verdict == "fits":
            if answer.plan.arena_bytes > budget or answer.plan.pools[0].capacity != budget:
                yield f"{where}: said to fit, with a plan of {answer.plan.arena_bytes}"
            if complaint := oracle.complaint(graph, answer.plan.to_json()):
                yield f"{where}: the oracle refuses it: {complaint}"
        elif answer.verdict == "does not fit":
            met["refusals whose placements were not all tried"] += possible is None
            met["one step"] += answer.step is not None
            yield from (f"{where}: {line}" for line in _wrong_refusal(answer, each, possible))
        elif options["fuse"] == "none" and possible is not None:
            yield f"{where}: unknown, but it is known: {possible}"


def _wrong_refusal(answer: Answer, each: Sequence[Tried], possible: bool | None) -> Iterator[str]:
    """What a refusal says that is not so."""
    if possible:
        yield "said not to fit, but there is a placement"
    if answer.bound <= answer.budget:
        yield f"refused with a bound of {answer.bound}"
    if answer.bound > answer.budget + 1 and answer.bound > min(max(one.lives) for one in each):
        yield f"nothing is said to need less than {answer.bound}, but some order does"
    for one in each if answer.step is not None else ():
        if answer.step in one.labels:
            at = one.labels.index(answer.step)
            if one.lives[at] < answer.bound:
                yield f"{answer.step} is said to need {answer.bound}, but needs {one.lives[at]}"
        elif len(each) == 1:
            yield f"there is no step {answer.step}"
