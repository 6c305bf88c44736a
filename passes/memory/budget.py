"""Does a network fit into so many bytes: yes, with a plan; no, with a proof; or not known, with the gap."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.memory.emission import entries
from cnnir.passes.memory.forming import Choices, Formation, Fuse, form
from cnnir.passes.memory.order import schedule
from cnnir.passes.memory.order.enumeration import orders_within
from cnnir.passes.memory.order.forced import Forced, forced
from cnnir.passes.memory.planner import ARENA, EFFORT, plan
from cnnir.passes.memory.pools import Memory, spread
from cnnir.passes.memory.problem import profile
from cnnir.passes.memory.sizes import known_bytes
from cnnir.passes.memory.workspace import NONE, TODAY
from cnnir.plan import MemoryPlan
from cnnir.units import format_bytes, format_size

Verdict: TypeAlias = Literal["fits", "does not fit", "unknown"]

WORK = 4_000
"""Orders that are tried where the first does not do, times the steps of each: some seconds."""

SOME = 8
"""Orders that are tried where there are more than that."""

STATES = 1_000_000
"""Beginnings of orders that are looked at to find these, times their steps."""

SHOWN = 8
"""Values named in a proof; the rest is summed up."""


@dataclass(frozen=True)
class Answer:
    """Whether a network fits.

    Attributes:
        budget: Bytes that there are.
        verdict: ``fits``, ``does not fit``, or ``unknown``.
        plan: Within the budget if it fits; else the best that was found.
        bound: No plan of these steps needs less; more than the budget if it does not fit.
        reason: What proves it, or what is missing.
        step: Label of the step that does not fit whatever the order, where it is one step that proves it.
        values: Names and bytes of what has to live at that step, the largest first.
    """

    budget: int
    verdict: Verdict
    plan: MemoryPlan
    bound: int
    reason: str
    step: str | None = None
    values: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        room = format_bytes(self.budget)
        if self.verdict == "fits":
            return f"fits into {room}, {format_bytes(self.budget - self.plan.arena_bytes)} to spare"
        if self.verdict == "unknown":
            return f"not known whether it fits into {room}: {self.reason}"
        lines = [f"does not fit into {room}: {self.reason}"]
        lines += [f"  {format_size(size):>11}  {name}" for name, size in self.values[:SHOWN]]
        if len(self.values) > SHOWN:
            rest = sum(size for _, size in self.values[SHOWN:])
            lines.append(f"  {format_size(rest):>11}  {len(self.values) - SHOWN} more")
        return "\n".join(lines)


def fits(graph: Graph, budget: int, *, order: str | Sequence[str] = "auto", **options: Any) -> Answer:
    """Answer whether a network's activations fit into so many bytes.

    Args:
        graph: All dims known.
        budget: Bytes.
        order: As `plan` has it; for the file's order or a given one the answer is about that order alone.
        options: The other options of `plan`, which decide what the steps are and what may share bytes.

    Raises:
        CnnirError: As `plan` does; ``budget`` for a negative one, or for several memories.
    """
    if budget < 0 or options.get("pools") is not None or options.get("weights") is not None:
        got = budget if budget < 0 else "several memories, which have capacities of their own"
        raise CnnirError("budget", "a budget is the size of one memory, in bytes", got=got)
    return _Question(graph, budget, options).answer(order)


class _Question:
    def __init__(self, graph: Graph, budget: int, options: dict[str, Any]) -> None:
        self.graph = graph
        self.budget = budget
        self.options = options

    @property
    def _is_least(self) -> bool:
        """No step of a plan has more workspace than it must: under a profile, other ways may need less."""
        return self.options.get("workspace", NONE) in (NONE, TODAY)

    def answer(self, order: str | Sequence[str]) -> Answer:
        """From what costs little to what costs more."""
        first = plan(self.graph, order=order, **self.options)
        if first.arena_bytes <= self.budget:
            return self._yes(first)
        if self.options.get("fuse") == "aggressive":
            return self._of_many_chains(first, order)
        if not isinstance(order, str) or order == "file":
            return self._of_one_order(first)
        formation = _formation(self.graph, self.options.get("fuse", "none"), self.options)
        if (single := self._single_step(first, formation)) is not None:
            return single
        found = schedule(formation.problem, effort=EFFORT[order])
        best = first
        if order == "auto" and found.bound <= self.budget and found.bound < found.peak:
            found = schedule(formation.problem, effort=EFFORT["optimal"])
            longer = plan(self.graph, order="optimal", **self.options)
            best = min((first, longer), key=lambda each: each.arena_bytes)
            if best.arena_bytes <= self.budget:
                return self._yes(best)
        if found.bound > self.budget:
            reason = f"no order of these steps needs less than {format_bytes(found.bound)}"
            return Answer(self.budget, "does not fit", best, found.bound, reason)
        return self._of_many_orders(best, found.bound, formation)

    def _yes(self, found: MemoryPlan) -> Answer:
        pools = tuple(replace(p, capacity=self.budget) if p.name == ARENA else p for p in found.pools)
        limited = replace(found, pools=pools)
        limited.check(self.graph)
        return Answer(self.budget, "fits", limited, found.bounds["order"].bytes, "there is a plan")

    def _of_one_order(self, found: MemoryPlan) -> Answer:
        """The order is given: what lives at one step, or the placement, proves that it does not fit."""
        step = found.peak_step
        if found.lower_bound > self.budget and step is not None and self._is_least:
            values = sorted(_living(found, step), key=lambda entry: (-entry[1], entry[0]))
            label = found.steps[step].label
            reason = f"in this order {format_bytes(found.lower_bound)} live at step {step}, {label}"
            return Answer(self.budget, "does not fit", found, found.lower_bound, reason, label, tuple(values))
        placed, is_refuted = self._placed(found)
        if placed is not None:
            return self._yes(placed)
        if is_refuted:
            reason = f"in this order no placement is lower than {format_bytes(self.budget + 1)}"
            return Answer(self.budget, "does not fit", found, self.budget + 1, reason)
        return self._unknown(found, found.lower_bound if self._is_least else 0)

    def _of_many_chains(self, best: MemoryPlan, order: str | Sequence[str]) -> Answer:
        """A proof about some chains says nothing of others: those that are left out may fit."""
        if order == "auto":
            longer = plan(self.graph, order="optimal", **self.options)
            best = min((best, longer), key=lambda each: each.arena_bytes)
        placed, _ = self._placed(best)
        if placed is not None:
            return self._yes(placed)
        given = self.graph.inputs if self.options.get("count_inputs", True) else ()
        kept = self.graph.outputs if self.options.get("count_outputs", True) else ()
        # What comes in and what goes out is stored, whatever is chained.
        sizes = [
            known_bytes(value) for value in (*given, *kept) if value.weight is None and (value.uses or value in kept)
        ]
        bound = max(sizes, default=0)
        if bound > self.budget:
            reason = f"an input or output takes {format_bytes(bound)}"
            return Answer(self.budget, "does not fit", best, bound, reason)
        return self._unknown(best, bound)

    def _of_many_orders(self, best: MemoryPlan, bound: int, formation: Formation) -> Answer:
        """Orders that live bytes allow, one after the other; when none is left, none fits."""
        placed, _ = self._placed(best)
        if placed is not None:
            return self._yes(placed)
        limit = WORK // len(formation.works) + 1
        orders = orders_within(formation.problem, self.budget, limit, STATES // len(formation.works))
        # What is proved of slices in their places says nothing of copies.
        refuted = orders.complete and all(node.op.kind != "Concat" for node in formation.parts)
        for order in orders.found if orders.complete else orders.found[:SOME]:
            found = plan(self.graph, order=_names(formation, order), **self.options)
            placed, is_refuted = self._placed(found)
            if placed is not None:
                return self._yes(placed)
            refuted = refuted and is_refuted
        if refuted:
            reason = f"none of the {len(orders.found)} orders in which less lives at each step has a placement"
            return Answer(self.budget, "does not fit", best, self.budget + 1, reason)
        return self._unknown(best, bound)

    def _placed(self, found: MemoryPlan) -> tuple[MemoryPlan | None, bool]:
        """The plan's storages within the budget; else whether it is proved that they do not go into it."""
        if found.arena_bytes <= self.budget:
            return found, False
        try:
            placed = spread(found, [Memory(ARENA, self.budget)])
        except CnnirError as error:
            if error.code not in ("pools-full", "pools-unknown"):
                raise
            return None, self._is_least and error.code == "pools-full"
        return replace(placed, bounds={name: placed.bounds[name] for name in found.bounds}), False

    def _unknown(self, best: MemoryPlan, bound: int) -> Answer:
        reason = (
            f"every plan of these steps takes at least {format_bytes(bound)}, the best that was found takes "
            f"{format_bytes(best.arena_bytes)}"
        )
        return Answer(self.budget, "unknown", best, bound, reason)

    def _single_step(self, found: MemoryPlan, formation: Formation) -> Answer | None:
        """The task that needs most whatever the order, if that is more than the budget."""
        needs = profile(formation.problem, range(len(formation.works)))
        crowded = sorted((task for task, need in enumerate(needs) if need > self.budget), key=lambda task: -needs[task])
        proofs = [(forced(formation.problem, task), task) for task in crowded]
        proof, task = max(proofs, key=lambda entry: (entry[0].bytes, -entry[1]), default=(None, 0))
        if proof is None or proof.bytes <= self.budget:
            return None
        label = " + ".join(name for name in _nodes(formation, task))
        reason = f"{label} needs {format_bytes(proof.bytes)} in every order{_details(proof)}"
        values = _values(formation, proof)
        return Answer(self.budget, "does not fit", found, proof.bytes, reason, label, values)


def _formation(graph: Graph, fuse: Fuse, options: Mapping[str, Any]) -> Formation:
    """The problem with all that may share bytes: what needs too much here does so whatever the planner gives up."""
    concat, views = options.get("concat"), bool(options.get("views", True))
    choices = Choices(
        fuse=fuse,
        concat=fuse != "none" and views if concat is None else bool(concat),
        views=views,
        strided=bool(options.get("strided")),
        in_place=bool(options.get("in_place", True)),
        count_inputs=bool(options.get("count_inputs", True)),
        count_outputs=bool(options.get("count_outputs", True)),
    )
    return form(graph, choices)


def _names(formation: Formation, order: Sequence[int]) -> list[str]:
    """The nodes in the order of the tasks, each once."""
    return list(dict.fromkeys(node.name for entry in entries(formation, order) for node in entry.nodes))


def _nodes(formation: Formation, task: int) -> Iterator[str]:
    work = formation.works[task]
    if work.group is not None:
        yield from (node.name for node in formation.fusion.groups[work.group].nodes)
    if work.meeting is not None:
        yield from (node.name for node in formation.fusion.meetings[work.meeting].nodes)


def _details(proof: Forced) -> str:
    parts = [f"{format_bytes(proof.donated)} written in place" if proof.donated else ""]
    parts += [f"{format_bytes(proof.scratch)} of strips" if proof.scratch else ""]
    told = ", ".join(part for part in parts if part)
    return f" ({told})" if told else ""


def _values(formation: Formation, proof: Forced) -> tuple[tuple[str, int], ...]:
    """What has to live, by the first value that each atom belongs to."""
    names: dict[int, str] = {}
    for value in formation.graph.values:
        for atom in formation.atoms.get(value, ()):
            names.setdefault(atom, value.name)
    sizes: dict[str, int] = {}
    for atom in proof.atoms:
        name = names.get(atom, f"atom {atom}")
        sizes[name] = sizes.get(name, 0) + formation.problem.atoms[atom].bytes
    living = ((name, size) for name, size in sizes.items() if size)
    return tuple(sorted(living, key=lambda entry: (-entry[1], entry[0])))


def _living(found: MemoryPlan, step: int) -> Iterator[tuple[str, int]]:
    counted = {pool.name for pool in found.pools if pool.counted}
    for index in found.live_storages(step):
        storage = found.storages[index]
        if storage.pool in counted and storage.bytes:
            yield next(iter(found.holders(index)), "nothing"), storage.bytes
    scratch = found.steps[step].scratch
    if scratch is not None and scratch.pool in counted:
        yield "workspace", scratch.bytes


__all__ = ["Answer", "Verdict", "fits"]
