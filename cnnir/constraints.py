"""Conditions on symbolic dims: found while inferring shapes, checked when the symbols are bound."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from cnnir.dims import (
    Dim,
    FloorDiv,
    Symbol,
    SymbolicDim,
    UnknownDim,
    bind,
    bounds,
    ceil_div,
    decide_at_least,
    decide_equal,
    parse_dim,
    symbols,
)
from cnnir.errors import CnnirError

Kind: TypeAlias = Literal[">=", "=="]


@dataclass(frozen=True, slots=True)
class Constraint:
    """``dim >= 0`` or ``dim == 0``, in a normal form; the reason and the node say where it comes from.

    Attributes:
        kind: Which of the two.
        dim: Symbolic, free of common factors.
        reason: What would be wrong otherwise.
        node: Label of the node that needs it.
    """

    kind: Kind
    dim: SymbolicDim
    reason: str = field(default="", compare=False)
    node: str | None = field(default=None, compare=False)

    @property
    def symbols(self) -> frozenset[str]:
        """Names of the symbols that it is about."""
        return symbols(self.dim)

    def check(self, values: Mapping[str, int]) -> "bool | Constraint":
        """Whether it holds under a binding; what is left of it when the binding leaves symbols open."""
        bound = bind(self.dim, values)
        outcome = (
            at_least(bound, 0, self.reason, self.node) if self.kind == ">=" else equal(bound, 0, self.reason, self.node)
        )
        return True if outcome is None else outcome

    def __str__(self) -> str:
        if self.kind == "==" and (modulus := _modulus(self.dim)) is not None:
            numerator, divisor = modulus
            text = str(numerator)
            return f"{f'({text})' if len(numerator.terms) > 1 or '//' in text else text} % {divisor} == 0"
        left = _part(self.dim, positive=True)
        right = _part(self.dim, positive=False)
        return f"{left} {self.kind} {right}"


def at_least(dim: Dim, least: Dim, reason: str = "", node: str | None = None) -> bool | Constraint | None:
    """``dim >= least``: decided, or the constraint that it amounts to; None when an unknown dim is involved."""
    difference = dim - least
    if isinstance(difference, UnknownDim):
        return None
    decided = decide_at_least(difference, 0)
    if decided is not None or not isinstance(difference, SymbolicDim):
        return decided
    reduced = _without_floors(difference)
    if isinstance(reduced, UnknownDim):
        return None
    return reduced >= 0 if isinstance(reduced, int) else Constraint(">=", reduced, reason, node)


def equal(dim: Dim, other: Dim, reason: str = "", node: str | None = None) -> bool | Constraint | None:
    """``dim == other``: decided, or the constraint that it amounts to; None when an unknown dim is involved."""
    difference = dim - other
    if isinstance(difference, UnknownDim):
        return None
    decided = decide_equal(difference, 0)
    if decided is not None or not isinstance(difference, SymbolicDim):
        return decided
    common = math.gcd(*(coefficient for _, coefficient in difference.terms))
    sign = -1 if difference.terms[0][1] < 0 else 1
    reduced = SymbolicDim((monomial, sign * coefficient // common) for monomial, coefficient in difference.terms)
    return Constraint("==", reduced, reason, node)


def parse_constraint(text: str) -> Constraint:
    """The constraint that `str` printed.

    Raises:
        CnnirError: ``constraint-syntax``, also for one that always or never holds.
    """
    for kind, make in ((">=", at_least), ("==", equal)):
        left, found, right = text.partition(kind)
        if found:
            outcome = make(parse_dim(left), parse_dim(right))
            if isinstance(outcome, Constraint):
                return outcome
            break
    raise CnnirError("constraint-syntax", "no condition on symbolic dims", expected="for instance H >= 32", got=text)


def simplify(constraints: Iterable[Constraint]) -> tuple[Constraint, ...]:
    """The constraints without duplicates and without those that the others imply; in the order of finding."""
    strongest: dict[object, Constraint] = {}
    for constraint in constraints:
        key: object = constraint
        if constraint.kind == ">=":
            key = tuple(term for term in constraint.dim.terms if term[0])
        known = strongest.get(key)
        if known is None or _constant(constraint.dim) < _constant(known.dim):
            strongest[key] = constraint
    ranges = {name: (least, None) for c in strongest.values() for name, least in _single_minimum(c)}
    return tuple(c for c in strongest.values() if _single_minimum(c) or not _implied(c, ranges))


def _implied(constraint: Constraint, ranges: Mapping[str, tuple[int | None, int | None]]) -> bool:
    low, _ = bounds(constraint.dim, ranges)
    return constraint.kind == ">=" and low is not None and low >= 0


def _single_minimum(constraint: Constraint) -> list[tuple[str, int]]:
    """(symbol, least value) when the constraint is as simple as ``H >= 32``."""
    variable = [(monomial, coefficient) for monomial, coefficient in constraint.dim.terms if monomial]
    if constraint.kind != ">=" or len(variable) != 1:
        return []
    ((monomial, coefficient),) = variable
    if coefficient != 1 or len(monomial) != 1 or not isinstance(monomial[0], Symbol):
        return []
    return [(monomial[0].name, -_constant(constraint.dim))]


def _constant(dim: SymbolicDim) -> int:
    return dict(dim.terms).get((), 0)


def _without_floors(dim: SymbolicDim) -> Dim:
    """The same condition ``dim >= 0`` without common factors and, where it is one floor division, without that.

    ``a*(P//c) + k >= 0`` with positive a holds exactly when ``P//c >= ceil(-k/a)``, that is ``P >= c*ceil(-k/a)``.
    """
    constant = _constant(dim)
    variable = [(monomial, coefficient) for monomial, coefficient in dim.terms if monomial]
    common = math.gcd(*(coefficient for _, coefficient in variable))
    floor = constant // common
    if len(variable) == 1 and variable[0][1] > 0 and len(variable[0][0]) == 1:
        atom = variable[0][0][0]
        if isinstance(atom, FloorDiv) and isinstance(atom.divisor, int):
            least = ceil_div(-constant, common)
            inner = atom.numerator - least * atom.divisor
            return _without_floors(inner) if isinstance(inner, SymbolicDim) else inner
    terms = [(monomial, coefficient // common) for monomial, coefficient in variable]
    return SymbolicDim([*terms, *([((), floor)] if floor else [])])


def _modulus(dim: SymbolicDim) -> tuple[SymbolicDim, int] | None:
    """(x, k) when the dim is ``x - k*(x//k)``."""
    for sign in (1, -1):
        for monomial, coefficient in dim.terms:
            if len(monomial) == 1 and isinstance(atom := monomial[0], FloorDiv) and isinstance(atom.divisor, int):
                rest = dim * sign + SymbolicDim([(monomial, 1)]) * atom.divisor
                if sign * coefficient == -atom.divisor and rest == atom.numerator:
                    return atom.numerator, atom.divisor
    return None


def _part(dim: SymbolicDim, *, positive: bool) -> Dim:
    """The terms of one sign, as a positive dim: the two sides of the printed condition."""
    total: Dim = 0
    for monomial, coefficient in dim.terms:
        if (coefficient > 0) == positive:
            total = total + SymbolicDim([(monomial, 1)]) * abs(coefficient) if monomial else total + abs(coefficient)
    return total


__all__ = ["Constraint", "Kind", "at_least", "equal", "parse_constraint", "simplify"]
