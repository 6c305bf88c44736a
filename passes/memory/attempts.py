"""Plans in the making: an order of a formation with everything that follows from it, and which of them are tried."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from cnnir.analysis import live_ranges
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node
from cnnir.passes.memory.emission import Entry, Layout, entries, in_turn, lay_out
from cnnir.passes.memory.forming import Choices, Formation, Wish, form
from cnnir.passes.memory.order import Schedule, alternatives, schedule
from cnnir.passes.memory.placement import Body, Placement, Slice, place
from cnnir.passes.memory.rechaining import other_wishes, unchained
from cnnir.passes.memory.sizes import known_bytes
from cnnir.passes.memory.spending import hurried, sparing

EFFORT = {"file": 20_000, "auto": 20_000, "optimal": 2_000_000}
"""States that the search for an order may look at, for each way to ask for one; as many to look for others as good."""

NODES = {"file": 2_000, "auto": 2_000, "optimal": 50_000}
"""Nodes that the search for a placement may take, likewise."""

TASKS = {"auto": 10_000, "optimal": 1_000_000}
"""Tasks of all the problems that are posed to see what copies of slices give: of large ones few are posed."""

ROUNDS = 20
"""How often the problem is posed anew because bytes that were to be shared lie fixed to others."""

TRIES = 40
"""Orders of the least peak whose placement is looked at, should the first one not reach it."""

LINKS = 40
"""Links of chains that are cut or joined otherwise, in a network that is not `LARGE`."""

LARGE = 400
"""Nodes."""

LOOKS = 4
"""The same, for each slice that is copied after all."""


@dataclass(frozen=True)
class Attempt:
    """One order, with everything that follows from it."""

    formation: Formation
    schedule: Schedule
    steps: tuple[Entry, ...]
    layout: Layout
    peak: int
    placement: Placement
    scratch: tuple[int, ...]
    """Steps that have scratch, in the order of their bodies behind the layout's own."""

    @property
    def arena(self) -> int:
        return self.placement.height


def best_attempt(
    graph: Graph, ways: Sequence[Choices], order: str | Sequence[str], alignment: int, below: int | None = None
) -> Attempt | None:
    """The lowest plan of all ways to share.

    Chains can be a loss. So beside those that are best for each sequence, the plan is looked for without them; and
    then with others, where that may lower it.

    Args:
        graph: All dims known.
        ways: What may share bytes.
        order: As `plan` has it.
        alignment: Bytes.
        below: Bytes; None comes back, sooner or later, where no plan was found that needs less.
    """
    chained = [way for way in ways if way.fuse == "aggressive"]
    plain = [replace(way, fuse="steps") if way in chained else way for way in ways]
    alone = [replace(way, chains=unchained(graph)) for way in chained]
    best: Attempt | None = None
    for group in (chained, alone, plain):
        found = _lowest(graph, group, order, alignment, best.arena if best is not None else below)
        best = found if found is not None else best
    if best is not None and chained and isinstance(order, str) and order != "file":
        best = _rechained(graph, best, alone[0], order, alignment)
    return best


def _lowest(
    graph: Graph, ways: Sequence[Choices], order: str | Sequence[str], alignment: int, below: int | None
) -> Attempt | None:
    """The lowest plan of all ways to share; each is tried only where it may be lower, and what is not is left out."""
    best: Attempt | None = None
    for choices in ways:
        reached = best.arena if best is not None else below
        for attempt in _attempts(graph, choices, order, alignment, reached):
            if best is None or attempt.arena < best.arena:
                best = attempt
    if best is not None and isinstance(order, str) and order != "file" and best.arena > best.schedule.bound:
        best = min([best, *_with_copies(graph, best, order, alignment)], key=lambda attempt: attempt.arena)
    return best if best is not None and (below is None or best.arena < below) else None


def _rechained(graph: Graph, best: Attempt, start: Choices, order: str, alignment: int) -> Attempt:
    """The plan with chains cut or joined one by one, as long as each makes it lower."""
    looks = LINKS if len(graph.nodes) <= LARGE else LINKS * LARGE // len(graph.nodes)
    here: Attempt | None = best
    if best.formation.choices.fuse != "aggressive":
        here = next(_attempts(graph, start, order, alignment, None), None)
    tried: set[Wish] = set()
    while here is not None:
        wishes = other_wishes(here.formation, here.steps, here.layout)
        choices, here = here.formation.choices, None
        for wish in wishes:
            if wish in tried or len(tried) >= looks:
                continue
            tried.add(wish)
            found = _lowest(graph, [replace(choices, chains=wish)], order, alignment, best.arena)
            if found is not None:
                best = here = found
                break
    return best


def _with_copies(graph: Graph, best: Attempt, order: str, alignment: int) -> Iterator[Attempt]:
    """The plan with one slice at its peak that is written elsewhere and copied to its place later.

    A slice holds the room of its whole concatenation open long before that is needed: where the slices of two of them
    live together, they may not pack.
    """
    least, chosen = best.arena, None
    slices = min(TRIES, TASKS[order] // max(len(best.schedule.order), 1))
    for pair in islice(_slices_at_peak(best), slices):
        choices = replace(best.formation.choices, copied=frozenset([pair]))
        for attempt in _attempts(graph, choices, order, alignment, best.arena, tries=LOOKS):
            yield attempt
            if attempt.arena < least:
                least, chosen = attempt.arena, choices
        if least <= best.schedule.peak:
            return
    if chosen is not None:
        yield from _attempts(graph, chosen, order, alignment, least)


def _slices_at_peak(best: Attempt) -> Iterator[tuple[str, int]]:
    """Slices of concatenations that live where most bytes do, the smallest first."""
    layout, formation = best.layout, best.formation
    needs = layout.needs(best.steps)
    peak = needs.index(max(needs))
    living = {index for index, room in enumerate(layout.rooms) if room.first <= peak <= room.last}
    found = []
    for node, parts in formation.parts.items():
        if node.op.kind != "Concat":
            continue
        sliced = {part.operand for part in parts}
        for number, operand in enumerate(node.operands):
            rooms = {layout.room_of[atom] for atom in formation.atoms.get(operand, ()) if atom in layout.room_of}
            if operand in sliced and rooms & living:
                found.append((known_bytes(operand), node.name, number))
    yield from ((name, number) for _, name, number in sorted(found))


def _attempts(
    graph: Graph, choices: Choices, order: str | Sequence[str], alignment: int, reached: int | None, tries: int = TRIES
) -> Iterator[Attempt]:
    """Plans in the making, until one is as low as its order needs; none where that is no lower than was reached."""
    nodes = _given_order(graph, order)
    as_asked = not isinstance(order, str) or order == "file"
    formation, found = _scheduled(
        graph, choices, nodes, alignment, EFFORT.get(order, 0) if isinstance(order, str) else 0,
        views_in_turn=as_asked and choices.fuse == "none",
    )  # fmt: skip
    file_order = tuple(range(len(formation.works)))
    if not isinstance(order, str) or order == "file":
        yield _attempt(formation, found, file_order, alignment, as_asked=nodes, effort=NODES["file"])
        return
    if reached is not None and found.peak >= reached:
        return
    # The first order of the least peak may not pack where another one does: a greedy look at some of them is cheap.
    low, best = None, found.order
    others = alternatives(formation.problem, found.order, effort=EFFORT[order])
    for other in chain([found.order], islice(others, tries)):
        attempt = _attempt(formation, found, other, alignment, effort=0)
        yield attempt
        if attempt.arena <= found.peak:
            return
        if low is None or attempt.arena < low:
            low, best = attempt.arena, other
    if tries < TRIES:
        return
    yield _attempt(formation, found, best, alignment, effort=NODES[order])
    if found.order != file_order:
        yield _attempt(formation, found, file_order, alignment, effort=0)


def _scheduled(
    graph: Graph, choices: Choices, nodes: Sequence[Node], alignment: int, effort: int, *, views_in_turn: bool
) -> tuple[Formation, Schedule]:
    """The problem and its order; posed anew as long as results cannot be written over what they were to be."""
    formation = form(graph, choices, nodes, views_in_turn=views_in_turn)
    found = schedule(formation.problem, effort=effort)
    for _ in range(ROUNDS):
        refused = lay_out(formation, entries(formation, found.order), alignment).refused
        if not refused:
            break
        choices = replace(choices, apart=choices.apart | refused)
        formation = form(graph, choices, nodes, views_in_turn=views_in_turn)
        found = schedule(formation.problem, effort=effort)
    return formation, found


def _attempt(
    formation: Formation,
    found: Schedule,
    order: Sequence[int],
    alignment: int,
    *,
    as_asked: Sequence[Node] | None = None,
    effort: int,
) -> Attempt:
    steps = entries(formation, order)
    if as_asked is not None and formation.choices.fuse == "none":
        steps = in_turn(steps, as_asked)
    layout = lay_out(formation, steps, alignment)
    steps = sparing(steps, formation.choices.counting, formation.strides)
    bodies, scratch = _bodies(layout, steps)
    placement = place(bodies, alignment, effort=effort)
    return Attempt(formation, found, steps, layout, layout.peak(steps), placement, scratch)


def in_less_time(attempt: Attempt, alignment: int, arena: int | None = None) -> Attempt:
    """The attempt in less time, where what is free can be placed as workspace.

    Args:
        attempt: In the least arena that was found.
        alignment: Bytes.
        arena: The largest that will do; that of the attempt when None.
    """
    limit = attempt.arena if arena is None else max(arena, attempt.arena)
    least = attempt.layout.peak(attempt.steps)
    for room in (limit, least) if limit > least and arena is not None else (least,):
        steps = hurried(
            attempt.steps, attempt.layout, attempt.formation.choices.counting, attempt.formation.strides, room
        )
        if steps is None:
            return attempt
        bodies, scratch = _bodies(attempt.layout, steps)
        placement = place(bodies, alignment, capacity=limit if arena is None else None)
        if placement.height <= limit:
            peak = attempt.layout.peak(steps)
            return replace(attempt, steps=steps, placement=placement, scratch=scratch, peak=peak)
    return attempt


def _bodies(layout: Layout, steps: Sequence[Entry]) -> tuple[list[Body], tuple[int, ...]]:
    """What is placed in the arena: bodies of storages, and scratch behind them."""
    count = 1 + max((room.body for room in layout.rooms), default=-1)
    slices: list[list[Slice]] = [[] for _ in range(count)]
    for room in layout.rooms:
        slices[room.body].append(Slice(room.at, room.bytes, room.first, room.last))
    bodies = [Body(tuple(slices[body])) for body in range(count) if body not in layout.outside]
    scratch = tuple(number for number, step in enumerate(steps) if step.scratch)
    bodies += [Body((Slice(0, steps[number].scratch, number, number),)) for number in scratch]
    return bodies, scratch


def _given_order(graph: Graph, order: str | Sequence[str]) -> tuple[Node, ...]:
    """The nodes in the order that was asked for, the graph's own for the ways to search one.

    Raises:
        CnnirError: ``order``, ``order-nodes``, ``order-dependency``.
    """
    if isinstance(order, str):
        if order not in EFFORT:
            expected = f"{', '.join(EFFORT)}, or the names of all nodes"
            raise CnnirError("order", "no such order", expected=expected, got=order)
        return graph.nodes
    nodes = tuple(graph.node(name) for name in order)
    live_ranges(graph, nodes)
    return nodes


__all__ = ["EFFORT", "Attempt", "best_attempt", "in_less_time"]
