"""Choosing ranks for a planned peak: factors with a narrow map between them need their wide input and output apart.

A convolution needs its input and its output at once; its factors need the input with a narrow map, then a narrow map
with the output. So the layers at whose step the plan peaks are factorised, one after the other, each at the ranks of
the least error that fit, until the plan does. Where that ends above the budget they are taken once more, each at the
ranks of the least peak whatever their error: what that reaches does not depend on the budget, so the peak that a
refusal names can be had.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node
from cnnir.passes.bottleneck.factors import Kind
from cnnir.passes.bottleneck.ranks import Choice, allowed
from cnnir.passes.bottleneck.replace import Replacer
from cnnir.passes.bottleneck.sites import Decompositions, Site
from cnnir.passes.memory import plan
from cnnir.plan import MemoryPlan
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType
from cnnir.units import format_bytes

ROUNDS = 4
"""How often one layer's ranks are lowered, should alignment or placement take more than its maps."""


@dataclass(frozen=True)
class _Step:
    """A layer's step in the plan of the graph as it was: bytes of its input and output, and of all else live then."""

    others: int
    input: int
    output: int
    input_stays: bool
    element: int


def fit_peak(
    graph: Graph,
    sites: Sequence[Site],
    kinds: Mapping[Site, tuple[Kind, ...]],
    budget: int,
    multiple: int,
    made: Decompositions,
) -> dict[Site, Choice]:
    """Ranks for those layers that must be factorised so that the planned arena keeps within a budget.

    Args:
        graph: All dims known; left as it is.
        sites: The layers that may be factorised.
        kinds: The factorisations to choose from.
        budget: Bytes.
        multiple: Ranks are multiples of this, or full.
        made: Decompositions of the weights.

    Raises:
        CnnirError: ``budget-unreachable`` with the least that can be reached; from planning.
    """
    original = plan(graph)
    chosen, current = _descend(graph, original, sites, kinds, budget, multiple, made)
    if current.arena_bytes <= budget:
        return chosen
    least = original.arena_bytes
    for chosen, current in _deepest(graph, original, sites, kinds, multiple, made):
        if current.arena_bytes <= budget:
            return chosen
        least = min(least, current.arena_bytes)
    raise _unreachable(current, budget, least)


def _descend(
    graph: Graph,
    original: MemoryPlan,
    sites: Sequence[Site],
    kinds: Mapping[Site, tuple[Kind, ...]],
    budget: int,
    multiple: int,
    made: Decompositions,
) -> tuple[dict[Site, Choice], MemoryPlan]:
    """The least errors that fit, and the plan with them: within the budget, or where no more was found."""
    chosen: dict[Site, Choice] = {}
    rounds: dict[Site, int] = {}
    goals: dict[Site, int] = {}
    current, owners = original, {site.node.name: site for site in sites}
    while current.arena_bytes > budget:
        site = _at_peak(current, owners)
        choice = None
        if site is not None and rounds.get(site, 0) < ROUNDS:
            rounds[site] = rounds.get(site, 0) + 1
            goals[site] = goals[site] - (current.arena_bytes - budget) if site in goals else budget
            choice = _fitting(site, kinds[site], _step(original, site), goals[site], multiple, made)
        if site is None or choice is None or chosen.get(site) == choice:
            break
        chosen[site] = choice
        current, owners = _trial(graph, sites, chosen, made)
    return chosen, current


def _deepest(
    graph: Graph,
    original: MemoryPlan,
    sites: Sequence[Site],
    kinds: Mapping[Site, tuple[Kind, ...]],
    multiple: int,
    made: Decompositions,
) -> Iterator[tuple[dict[Site, Choice], MemoryPlan]]:
    """Layer after layer at the ranks of its least peak, with the plan after each."""
    chosen: dict[Site, Choice] = {}
    current, owners = original, {site.node.name: site for site in sites}
    yield {}, original
    while (site := _at_peak(current, owners)) is not None and site not in chosen:
        choice = _fitting(site, kinds[site], _step(original, site), 0, multiple, made)
        if choice is None:
            return
        chosen[site] = choice
        current, owners = _trial(graph, sites, chosen, made)
        yield dict(chosen), current


def _unreachable(current: MemoryPlan, budget: int, least: int) -> CnnirError:
    step = current.peak_step
    return CnnirError(
        "budget-unreachable",
        "no ranks were found that bring the planned peak down to this",
        node=None if step is None else current.steps[step].label,
        expected=f"at most {format_bytes(budget)}",
        got=f"{format_bytes(least)} as the least",
        hint="the step named needs that much; choose more layers, or a larger budget",
    )


def _at_peak(current: MemoryPlan, owners: Mapping[str, Site]) -> Site | None:
    """The layer, whole or in factors, at whose step the plan peaks."""
    step = current.peak_step
    if step is None:
        return None
    return next((owners[name] for name in current.steps[step].nodes if name in owners), None)


def _step(original: MemoryPlan, site: Site) -> _Step:
    node = site.node
    position = next(index for index, step in enumerate(original.steps) if node.name in step.nodes)
    data = node.inputs[0]
    assert data is not None  # noqa: S101
    assert isinstance(node.output.type, TensorType)  # noqa: S101
    entering, leaving = _storage(original, data.name), _storage(original, node.output.name)
    sizes = [original.storages[index].bytes if index is not None else 0 for index in (entering, leaving)]
    stays = entering is not None and original.storages[entering].last > position
    bits = node.output.type.dtype.bits or 8
    return _Step(original.live_bytes()[position] - sum(sizes), sizes[0], sizes[1], stays, max(bits // 8, 1))


def _storage(original: MemoryPlan, name: str) -> int | None:
    planned = original.values.get(name)
    return planned.pieces[0].storage if planned is not None and planned.pieces else None


def _fitting(
    site: Site, kinds: tuple[Kind, ...], step: _Step, goal: int, multiple: int, made: Decompositions
) -> Choice | None:
    """The ranks of the least error at which every factor's step keeps within the goal; else those of the least peak."""
    best: tuple[bool, float, int, Choice] | None = None
    for kind in kinds:
        maps = [between * step.element for between in site.between_of(kind)]
        kept = step.input if step.input_stays else 0
        ends = np.maximum(step.input + maps[0], kept + maps[-1] + step.output)
        inner = [kept + first + second for first, second in pairwise(maps)]
        peaks = step.others + np.maximum.reduce([ends, *inner])
        squares = made.of(site, kind).made.squares
        may = allowed(squares.shape, multiple)
        fits = bool((may & (peaks <= goal)).any())
        ranking = np.where(may & (peaks <= goal), squares, np.inf) if fits else np.where(may, peaks, np.inf)
        index = int(np.argmin(ranking))
        ranks = tuple(int(one) + 1 for one in np.unravel_index(index, squares.shape))
        entry = (not fits, float(ranking.reshape(-1)[index]), len(ranks), Choice(kind, ranks))
        if best is None or entry[:3] < best[:3]:
            best = entry
    return None if best is None else best[3]


def _trial(
    graph: Graph, sites: Sequence[Site], chosen: Mapping[Site, Choice], made: Decompositions
) -> tuple[MemoryPlan, dict[str, Site]]:
    """The plan with these factors, and whose factor each node is; no factor's contents are made for it."""
    clone = graph.clone()
    replacer = Replacer(Rewriter(clone))
    owners: dict[str, Site] = {}
    for site in sites:
        nodes: list[Node] = [clone.node(site.node.name)]
        if site in chosen:
            choice = chosen[site]
            nodes = replacer.replace(site.of(clone), choice, made.of(site, choice.kind))
        owners.update({node.name: site for node in nodes})
    return plan(clone), owners
