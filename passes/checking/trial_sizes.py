"""Numbers for symbolic dims: small ones that a network's conditions allow, so that it can be run."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cnnir.constraints import Constraint, at_least, equal
from cnnir.dims import Dim, Symbol, bind, is_known, symbol, symbols
from cnnir.errors import CnnirError

_FURTHEST = 1024
"""How far from where it stands a size is looked for."""

_STEPS = 200
"""How many conditions are mended before it is given up; mending one may break another."""


def trial_sizes(names: Iterable[str], constraints: Sequence[Constraint], seed: int = 0) -> dict[str, int]:
    """A number of at least 1 for each symbol, such that the constraints hold.

    Equations that give one symbol by the others are put in first. For the rest the search begins at 1, 2 or 3, drawn
    from the seed (one size would hide what is broadcast), then mends one broken condition at a time by the least change
    of one of its symbols.

    Args:
        names: Of the symbols.
        constraints: What they must satisfy; symbols that are not named stay open.
        seed: Of where the search begins.

    Raises:
        CnnirError: ``sizes-not-found`` naming a condition that could not be met.
    """
    generator = np.random.default_rng(seed)
    sizes = {name: int(generator.integers(1, 4)) for name in sorted(names)}
    left, given = _without_equations(constraints, sizes)
    broken: Constraint | None = None
    for _ in range(_STEPS):
        # Those given by others follow in the reverse of the order in which they were put in.
        for name, dim in reversed(given):
            found = bind(dim, sizes)
            sizes[name] = found if is_known(found) else sizes[name]
        broken = next((one for one in left if one.check(sizes) is False), None)
        if broken is None:
            return sizes
        name, size = _mended(broken, {key: sizes[key] for key in sizes.keys() - dict(given).keys()}, left)
        sizes[name] = size
    raise _not_found(broken)


def _without_equations(
    constraints: Sequence[Constraint], names: Iterable[str]
) -> tuple[list[Constraint], list[tuple[str, Dim]]]:
    """The conditions on symbols that no equation gives, and the equations in the order of putting them in."""
    left, given = list(constraints), list[tuple[str, Dim]]()
    while True:
        found = next(((one, *pair) for one in left if (pair := _solved(one, names))), None)
        if found is None:
            return left, given
        equation, name, dim = found
        given.append((name, dim))
        rest = [_put_in(one, name, dim) for one in left if one is not equation]
        left = [one for one in (*rest, at_least(dim, 1, equation.reason, equation.node)) if isinstance(one, Constraint)]


def _solved(constraint: Constraint, names: Iterable[str]) -> tuple[str, Dim] | None:
    """A symbol and what the equation says that it is; None when it gives none."""
    if constraint.kind != "==":
        return None
    for monomial, coefficient in constraint.dim.terms:
        match monomial:
            case (Symbol(name),) if abs(coefficient) == 1 and name in names:
                others = constraint.dim - coefficient * symbol(name)
                if name not in symbols(others):
                    return name, others * -coefficient
    return None


def _put_in(constraint: Constraint, name: str, dim: Dim) -> bool | Constraint | None:
    bound = bind(constraint.dim, {name: dim})
    make = at_least if constraint.kind == ">=" else equal
    outcome = make(bound, 0, constraint.reason, constraint.node)
    if outcome is False:
        raise _not_found(constraint)
    return outcome


def _mended(broken: Constraint, sizes: Mapping[str, int], constraints: Sequence[Constraint]) -> tuple[str, int]:
    """The symbol and its new size that meet the condition, those that break least of the others first."""
    best: tuple[int, int, str, int] | None = None
    for name in sorted(broken.symbols & sizes.keys()):
        for size in _nearest(broken, name, sizes):
            changed = {**sizes, name: size}
            others = sum(one.check(changed) is False for one in constraints)
            entry = (others, abs(size - sizes[name]), name, size)
            best = entry if best is None else min(best, entry)
    if best is None:
        raise _not_found(broken)
    return best[2], best[3]


def _nearest(broken: Constraint, name: str, sizes: Mapping[str, int]) -> list[int]:
    """The nearest sizes above and below at which the condition holds."""
    here = sizes[name]
    above = (here + step for step in range(1, _FURTHEST + 1))
    below = (here - step for step in range(1, here))
    found = (next((size for size in side if _holds(broken, {**sizes, name: size})), None) for side in (above, below))
    return [size for size in found if size is not None]


def _holds(constraint: Constraint, sizes: Mapping[str, int]) -> bool:
    return constraint.check(sizes) is not False


def _not_found(broken: Constraint | None) -> CnnirError:
    return CnnirError(
        "sizes-not-found",
        "no small sizes were found that its conditions allow",
        node=broken.node if broken is not None else None,
        expected=str(broken),
        hint="bind the symbolic dims",
    )
