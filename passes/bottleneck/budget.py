"""Choosing the ranks of all layers together, so that the network keeps within a budget.

A layer that keeps the share e of its weight's squared norm loses ``-log(e)``: what a network keeps is taken to be the
product over its layers (Zhang et al., "Accelerating Very Deep Convolutional Networks for Classification and Detection",
2016, section 3.4). So a layer is not given up altogether for the sake of many others.

The least sum of losses within a budget of MACs or parameters is a knapsack with one choice a layer. A Lagrangian gives
a choice for each price of a MAC, those on the convex hull of what can be had, and for each price a bound that no choice
within the budget undercuts (Everett, "Generalized Lagrange Multiplier Method for Solving Problems of Optimum Allocation
of Resources", 1963). What is left of the budget is then spent greedily, from that choice and from the best uniform
ratio, so that the result is never worse than the uniform one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnir.errors import CnnirError
from cnnir.passes.bottleneck.factors import Kind
from cnnir.passes.bottleneck.ranks import Choice, allowed, by_ratio, params_of
from cnnir.passes.bottleneck.sites import Counts, Decompositions, Site

PRICES = 100
"""Halvings of the interval of prices; doubles have no finer ones."""


@dataclass(frozen=True)
class Options:
    """What can be done with one layer, from the cheapest on; each costs more than the one before and errs less.

    Attributes:
        choices: A factorisation, or None for the layer as it is.
        costs: In MACs or parameters.
        losses: Of each.
    """

    choices: tuple[Choice | None, ...]
    costs: NDArray[np.int64]
    losses: NDArray[np.float64]


@dataclass(frozen=True)
class Allotment:
    """Ranks for all layers within a budget.

    Attributes:
        choices: One for each layer, None where it stays.
        cost: Of the whole network.
        loss: Sum over the layers.
        bound: No choice of ranks within the budget has a smaller sum.
    """

    choices: tuple[Choice | None, ...]
    cost: int
    loss: float
    bound: float


def allot(
    sites: Sequence[Site],
    kinds: Mapping[Site, tuple[Kind, ...]],
    costs: str,
    budget: int,
    rest: int,
    multiple: int,
    made: Decompositions,
) -> Allotment:
    """The ranks of all layers.

    Args:
        sites: The layers.
        kinds: The factorisations to choose from.
        costs: ``macs`` or ``params``.
        budget: What the whole network may cost.
        rest: What it costs besides these layers.
        multiple: Ranks are multiples of this, or full.
        made: Decompositions of the weights.

    Raises:
        CnnirError: ``budget-unreachable`` with the least that can be reached, ``dims-unbound``.
    """
    options = [_options(site, kinds[site], costs, multiple, made) for site in sites]
    least = rest + sum(int(one.costs[0]) for one in options)
    if least > budget:
        raise CnnirError(
            "budget-unreachable",
            f"the network cannot be brought down to this many {costs}, whatever the ranks of the chosen layers",
            node="bottleneck",
            expected=f"at most {budget:,}",
            got=f"{least:,} as the least",
            hint="choose more layers, another mode, or a larger budget",
        )
    budget -= rest
    picked, bound = _priced(options, budget)
    starts = [picked]
    uniform = _uniform(sites, kinds, options, costs, budget, multiple, made)
    if uniform is not None:
        starts.append(uniform)
    best = min((_spent(options, start, budget) for start in starts), key=lambda one: (_loss(options, one), one))
    chosen = tuple(one.choices[index] for one, index in zip(options, best, strict=True))
    return Allotment(chosen, rest + _cost(options, best), _loss(options, best), bound)


def _options(site: Site, kinds: tuple[Kind, ...], costs: str, multiple: int, made: Decompositions) -> Options:
    """All ranks of all kinds, without those that cost more than another which errs no more."""
    whole = site.macs if costs == "macs" else site.params
    parts = []
    for kind in kinds:
        squares = made.of(site, kind).made.squares
        prices = _prices(site, kind, costs, made)
        kept = np.flatnonzero(allowed(squares.shape, multiple) & (prices < whole))
        losses = -site.layers * np.log(np.maximum(1.0 - squares.reshape(-1)[kept], np.finfo(np.float64).tiny))
        parts.append((kind, squares.shape, kept, prices.reshape(-1)[kept], losses))
    price = np.concatenate([*(part[3] for part in parts), np.asarray([whole], np.int64)])
    loss = np.concatenate([*(part[4] for part in parts), np.zeros(1)])
    order = np.lexsort((loss, price))
    best = np.minimum.accumulate(loss[order])
    front = order[np.concatenate([[True], best[1:] < best[:-1]])]
    ends = np.cumsum([len(part[2]) for part in parts])
    choices: list[Choice | None] = []
    for position in front:
        which = int(np.searchsorted(ends, position, side="right"))
        if which == len(parts):
            choices.append(None)
            continue
        kind, shape, kept, _, _ = parts[which]
        flat = kept[position - (ends[which] - len(kept))]
        choices.append(Choice(kind, tuple(int(index) + 1 for index in np.unravel_index(flat, shape))))
    return Options(tuple(choices), price[front], loss[front])


def _priced(options: Sequence[Options], budget: int) -> tuple[tuple[int, ...], float]:
    """The best choice among those that some price makes, and the best bound that a price proves."""

    def at(price: float) -> tuple[int, ...]:
        return tuple(int(np.argmin(one.losses + price * one.costs)) for one in options)

    picked, bound = tuple(0 for _ in options), 0.0
    low, high = 0.0, _steepest(options)
    for _ in range(PRICES):
        price = (low + high) / 2
        choice = at(price)
        cost = _cost(options, choice)
        bound = max(bound, _loss(options, choice) + price * (cost - budget))
        if cost <= budget:
            picked, high = choice, price
        else:
            low = price
    free = at(0.0)
    return (free if _cost(options, free) <= budget else picked), bound


def _steepest(options: Sequence[Options]) -> float:
    """A price at which every layer takes its cheapest option."""
    steps = [float(np.max(-np.diff(one.losses) / np.diff(one.costs))) for one in options if len(one.costs) > 1]
    return 2.0 * max(steps, default=0.0)


def _uniform(
    sites: Sequence[Site],
    kinds: Mapping[Site, tuple[Kind, ...]],
    options: Sequence[Options],
    costs: str,
    budget: int,
    multiple: int,
    made: Decompositions,
) -> tuple[int, ...] | None:
    """For the largest ratio within the budget that all layers can share, options that cost and err no more."""
    best, found = math.inf, None
    for position in range(max((len(kinds[site]) for site in sites), default=0)):
        # The first kinds of all layers, then the second where there is one.
        picked: dict[Site, Kind] = {site: kinds[site][min(position, len(kinds[site]) - 1)] for site in sites}
        choice = _at_ratio(sites, picked, options, costs, budget, multiple, made)
        if choice is not None and _loss(options, choice) < best:
            best, found = _loss(options, choice), choice
    return found


def _at_ratio(
    sites: Sequence[Site],
    kinds: Mapping[Site, Kind],
    options: Sequence[Options],
    costs: str,
    budget: int,
    multiple: int,
    made: Decompositions,
) -> tuple[int, ...] | None:
    tables = [_prices(site, kinds[site], costs, made) for site in sites]

    def at(ratio: float) -> tuple[int, ...]:
        found = []
        for table, one in zip(tables, options, strict=True):
            ranks = by_ratio(table.shape, ratio, multiple)
            price = min(int(table[tuple(rank - 1 for rank in ranks)]), int(one.costs[-1]))
            found.append(max(int(np.searchsorted(one.costs, price, side="right")) - 1, 0))
        return tuple(found)

    low, high, best = 0.0, 1.0, None
    for _ in range(PRICES):
        middle = (low + high) / 2
        choice = at(middle)
        if _cost(options, choice) <= budget:
            low, best = middle, choice
        else:
            high = middle
    return best


def _prices(site: Site, kind: Kind, costs: str, made: Decompositions) -> Counts:
    return site.macs_of(kind) if costs == "macs" else params_of(site, kind, made)


def _spent(options: Sequence[Options], start: tuple[int, ...], budget: int) -> tuple[int, ...]:
    """What is left of the budget spent where an option within it takes most of the error away."""
    picked = list(start)
    left = budget - _cost(options, picked)
    while True:
        best, gain = None, 0.0
        for index, one in enumerate(options):
            reach = int(np.searchsorted(one.costs, one.costs[picked[index]] + left, side="right")) - 1
            saved = float(one.losses[picked[index]] - one.losses[reach])
            if saved > gain:
                best, gain = (index, reach), saved
        if best is None:
            return tuple(picked)
        index, reach = best
        left -= int(options[index].costs[reach] - options[index].costs[picked[index]])
        picked[index] = reach


def _cost(options: Sequence[Options], picked: Sequence[int]) -> int:
    return sum(int(one.costs[index]) for one, index in zip(options, picked, strict=True))


def _loss(options: Sequence[Options], picked: Sequence[int]) -> float:
    return math.fsum(float(one.losses[index]) for one, index in zip(options, picked, strict=True))
