"""Choosing the ranks of one layer: by number, by ratio, or by the share of the weight that is to be kept."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnir.passes.bottleneck.factors import Kind, Ranks
from cnnir.passes.bottleneck.sites import Counts, Decompositions, Site


@dataclass(frozen=True)
class Choice:
    """A factorisation of one layer."""

    kind: Kind
    ranks: Ranks

    def __str__(self) -> str:
        return f"{self.kind} of rank {' x '.join(str(rank) for rank in self.ranks)}"


def allowed(full: Ranks, multiple: int) -> NDArray[np.bool_]:
    """Which ranks may be taken: multiples of a number, and the full ones."""
    ranks = [np.arange(1, top + 1) for top in full]
    # A multiple beyond the full rank leaves that one alone, however many digits it has.
    axes = [(rank % min(multiple, len(rank) + 1) == 0) | (rank == len(rank)) for rank in ranks]
    result = np.ones(full, np.bool_)
    for axis, along in enumerate(axes):
        result &= along.reshape([-1 if index == axis else 1 for index in range(len(full))])
    return result


def by_number(full: Ranks, rank: int, multiple: int) -> Ranks:
    """This rank, or the full one where that is smaller; rounded up to the multiple."""
    return tuple(min(math.ceil(min(rank, top) / multiple) * multiple, top) for top in full)


def by_ratio(full: Ranks, ratio: float, multiple: int) -> Ranks:
    """This share of the full ranks, rounded up."""
    return tuple(min(math.ceil(max(1, math.ceil(ratio * top)) / multiple) * multiple, top) for top in full)


def params_of(site: Site, kind: Kind, made: Decompositions) -> Counts:
    """Parameters of the factors at every rank: their weights, and a bias that samples make beside what was there."""
    params = site.params_of(kind)
    if made.metric(site, kind) is not None and site.correction:
        params = params + site.correction
        params[tuple(-1 for _ in params.shape)] -= site.correction  # nothing is lost at the full rank
    return params


def by_energy(site: Site, kinds: tuple[Kind, ...], energy: float, multiple: int, made: Decompositions) -> Choice:
    """The cheapest factors that keep this share of the weight's squared norm.

    Cheapest in MACs, where the sizes are known, else in parameters.
    """
    best: tuple[int, Choice] | None = None
    for kind in kinds:
        squares = made.of(site, kind).made.squares
        costs = site.macs_of(kind) if site.known else params_of(site, kind, made)
        # What rounding leaves of a full rank's error must not stand in the way of keeping everything.
        keeps = (squares <= 1.0 - energy + np.finfo(np.float64).eps) & allowed(squares.shape, multiple)
        keeps[tuple(-1 for _ in squares.shape)] = True
        index = int(np.argmin(np.where(keeps, costs, np.iinfo(np.int64).max)))
        ranks = tuple(int(one) + 1 for one in np.unravel_index(index, squares.shape))
        cost = int(costs.reshape(-1)[index])
        if best is None or cost < best[0]:
            best = (cost, Choice(kind, ranks))
    assert best is not None  # noqa: S101  every site has a kind
    return best[1]
