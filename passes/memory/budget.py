"""Does a network fit into so many bytes: yes, with a plan; no, with a proof; or not known, with the gap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node
from cnnir.passes.memory.emission import entries
from cnnir.passes.memory.forming import Formation, form
from cnnir.passes.memory.order import schedule
from cnnir.passes.memory.order.enumeration import orders_within
from cnnir.passes.memory.order.forced import Forced, forced
from cnnir.passes.memory.planner import ARENA, EFFORT, most_shared, plan
from cnnir.passes.memory.pools import Memory, spread
from cnnir.passes.memory.problem import Problem, profile
from cnnir.passes.memory.relaxing import is_only_way, relaxed
from cnnir.passes.memory.sizes import known_bytes
from cnnir.passes.memory.workspace import NONE, TODAY, UNCOUNTED
from cnnir.plan import MemoryPlan
from cnnir.units import format_bytes, format_size

Verdict: TypeAlias = Literal["fits", "does not fit", "unknown"]

WORK = 4_000
"""Orders that are tried where the first does not do, times the steps of each: some seconds."""

SOME = 8
"""Orders that are tried where there are more than that."""

STATES = 1_000_000
"""Beginnings of orders that are looked at to find these, times their steps."""

LOOKS = 2_000_000
"""Tasks and atoms that are looked at to find what has to live at single steps: a second or two."""

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
            return self._of_many_ways(first, order, 0)
        if not isinstance(order, str) or order == "file":
            return self._of_one_order(first, order)
        formation = _formation(self.graph, self.options)
        least = relaxed(formation)
        hardest = self._hardest(least)
        if hardest is not None and hardest[0].bytes > self.budget:
            return self._of_one_step(first, formation, *hardest)
        if least is not formation.problem:
            return self._of_many_ways(first, order, hardest[0].bytes if hardest is not None else 0)
        found = schedule(formation.problem, effort=EFFORT[order])
        is_open = found.bound <= self.budget and found.bound < found.peak
        if order == "auto" and is_open:
            found = schedule(formation.problem, effort=EFFORT["optimal"])
        if found.bound > self.budget:
            reason = f"no order of these steps needs less than {format_bytes(found.bound)}"
            return Answer(self.budget, "does not fit", first, found.bound, reason)
        best = self._longer(first, order) if is_open else first
        return self._of_many_orders(best, found.bound, formation)

    def _yes(self, found: MemoryPlan) -> Answer:
        pools = tuple(replace(p, capacity=self.budget) if p.name == ARENA else p for p in found.pools)
        limited = replace(found, pools=pools)
        limited.check(self.graph)
        return Answer(self.budget, "fits", limited, found.bounds["order"].bytes, "there is a plan")

    def _of_one_order(self, found: MemoryPlan, order: str | Sequence[str]) -> Answer:
        """The order is given: what lives at one step, or the placement, proves that it does not fit."""
        nodes = self.graph.nodes if isinstance(order, str) else [self.graph.node(name) for name in order]
        formation = _formation(self.graph, self.options, nodes)
        if not is_only_way(formation):
            return self._of_one_order_with_copies(found, formation)
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

    def _of_one_order_with_copies(self, found: MemoryPlan, formation: Formation) -> Answer:
        """Slices may lie in their places or be copied there: what lives without copies is a proof, placements are not.

        A slice in its place is bytes that the copy and what is copied both take.
        """
        needs = profile(relaxed(formation), range(len(formation.works)))
        bound = max(needs, default=0)
        if bound > self.budget:
            label = " + ".join(_nodes(formation, needs.index(bound)))
            reason = f"in this order {format_bytes(bound)} live at {label}, without a copy of any slice"
            return Answer(self.budget, "does not fit", found, bound, reason, label)
        placed, _ = self._placed(found)
        return self._yes(placed) if placed is not None else self._unknown(found, bound)

    def _of_many_ways(self, best: MemoryPlan, order: str | Sequence[str], bound: int) -> Answer:
        """A proof about some chains, or some slices in their places, says nothing of others: they may fit."""
        best = self._longer(best, order)
        placed, _ = self._placed(best)
        if placed is not None:
            return self._yes(placed)
        given = self.graph.inputs if self.options.get("count_inputs", True) else ()
        kept = self.graph.outputs if self.options.get("count_outputs", True) else ()
        # What comes in and what goes out is stored, whatever is chained.
        sizes = [
            known_bytes(value) for value in (*given, *kept) if value.weight is None and (value.uses or value in kept)
        ]
        bound = max(bound, *sizes) if sizes else bound
        if bound > self.budget:
            reason = f"an input or output takes {format_bytes(bound)}"
            return Answer(self.budget, "does not fit", best, bound, reason)
        return self._unknown(best, bound)

    def _longer(self, best: MemoryPlan, order: str | Sequence[str]) -> MemoryPlan:
        """The best plan, with more effort for one that was asked for as usual."""
        if order != "auto":
            return best
        return min((best, plan(self.graph, order="optimal", **self.options)), key=lambda each: each.arena_bytes)

    def _of_many_orders(self, best: MemoryPlan, bound: int, formation: Formation) -> Answer:
        """Orders that live bytes allow, one after the other; when none is left, none fits."""
        placed, _ = self._placed(best)
        if placed is not None:
            return self._yes(placed)
        limit = WORK // len(formation.works) + 1
        orders = orders_within(formation.problem, self.budget, limit, STATES // len(formation.works))
        # What is proved of slices in their places says nothing of copies.
        refuted = orders.complete and is_only_way(formation)
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

    def _hardest(self, problem: Problem) -> tuple[Forced, int] | None:
        """The task that needs most whatever the order, of those that need more than the budget in the file's."""
        needs = profile(problem, range(len(problem.tasks)))
        crowded = sorted((task for task, need in enumerate(needs) if need > self.budget), key=lambda task: -needs[task])
        best: tuple[Forced, int] | None = None
        for task in crowded[: LOOKS // (len(problem.tasks) + len(problem.atoms)) + 1]:
            if best is not None and needs[task] < best[0].bytes:
                break  # no task needs more in every order than in the file's
            proof = forced(problem, task)
            if best is None or (proof.bytes, -task) > (best[0].bytes, -best[1]):
                best = proof, task
        return best

    def _of_one_step(self, found: MemoryPlan, formation: Formation, proof: Forced, task: int) -> Answer:
        label = " + ".join(_nodes(formation, task))
        reason = f"{label} needs {format_bytes(proof.bytes)} in every order{_details(proof, formation)}"
        return Answer(self.budget, "does not fit", found, proof.bytes, reason, label, _values(formation, proof))


def _formation(graph: Graph, options: dict[str, Any], nodes: Sequence[Node] | None = None) -> Formation:
    """The problem with all that may share bytes.

    Workspace is left out where other ways to share may make other steps, which may need less of it.
    """
    choices = most_shared(graph, **options)
    formation = form(graph, choices, nodes)
    if choices.counting.name != NONE and not is_only_way(formation):
        formation = form(graph, replace(choices, counting=UNCOUNTED), nodes)
    return formation


def _names(formation: Formation, order: Sequence[int]) -> list[str]:
    """The nodes in the order of the tasks, each once."""
    return list(dict.fromkeys(node.name for entry in entries(formation, order) for node in entry.nodes))


def _nodes(formation: Formation, task: int) -> Iterator[str]:
    work = formation.works[task]
    if work.group is not None:
        yield from (node.name for node in formation.fusion.groups[work.group].nodes)
    if work.meeting is not None:
        yield from (node.name for node in formation.fusion.meetings[work.meeting].nodes)


def _details(proof: Forced, formation: Formation) -> str:
    what = "strips" if formation.choices.counting.name == NONE else "workspace"
    over = proof.donated - min(proof.scratch, 0)
    parts = [f"{format_bytes(over)} written in place" if over else ""]
    parts += [f"{format_bytes(proof.scratch)} of {what}" if proof.scratch > 0 else ""]
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
