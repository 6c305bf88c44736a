"""Symbolic integers for tensor dims: polynomials with floor division.

A dim is an ``int`` in the common case, a `SymbolicDim` when it depends on sizes that are not bound yet (``N``,
``(H + 31)//32``), or the `UnknownDim` when nothing is known of it. Plain ints never leave plain-int arithmetic.

A symbolic dim is a polynomial with integer coefficients over atoms; an atom is a symbol or a floor division. It is kept
in a canonical form, so that dims built along different but equal routes compare equal as far as these identities carry
(Graham, Knuth and Patashnik, "Concrete Mathematics", section 3.2):

- ``(c*Q + R)//c == Q + R//c``, with the coefficients of R in ``0 .. c - 1``;
- ``(g*P + r)//(g*c) == (P + r//g)//c``;
- ``(x//a + R)//b == (x + a*R)//(a*b)``.

Symbols stand for sizes: they are at least 1.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard, Union

from cnnir.errors import CnnirError


class UnknownDim:
    """A dim of which nothing is known. It absorbs all arithmetic; there is one, `UNKNOWN`."""

    __slots__ = ()

    def _absorb(self, other: "Dim") -> "UnknownDim":
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _absorb
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _absorb

    def __neg__(self) -> "UnknownDim":
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnknownDim)

    def __hash__(self) -> int:
        return hash(UnknownDim)

    def __repr__(self) -> str:
        return "?"


UNKNOWN = UnknownDim()


@dataclass(frozen=True, slots=True)
class Symbol:
    """An atom: a size that is not bound yet."""

    name: str

    def __str__(self) -> str:
        return self.name if self.name.isidentifier() else json.dumps(self.name)


@dataclass(frozen=True, slots=True)
class FloorDiv:
    """An atom: a floor division that no identity resolves."""

    numerator: "SymbolicDim"
    divisor: "int | SymbolicDim"

    def __str__(self) -> str:
        return f"{_factor(self.numerator)}//{_factor(self.divisor)}"


Atom: TypeAlias = Symbol | FloorDiv
Monomial: TypeAlias = tuple[Atom, ...]
"""A product of atoms in a fixed order, repeated for powers; empty for the constant."""


class SymbolicDim:
    """A symbolic integer in canonical form; immutable, hashable, equal when the canonical forms are."""

    __slots__ = ("_hash", "_text", "terms")

    def __init__(self, terms: Iterable[tuple[Monomial, int]]) -> None:
        """Take terms that are sorted, nonzero, and not constant alone; use `symbol` and operators to make dims."""
        self.terms = tuple(terms)
        self._hash = hash(self.terms)
        self._text = ""  # made when first asked for: the order of terms goes by it

    def __add__(self, other: "Dim") -> "Dim":
        if isinstance(other, UnknownDim):
            return other
        total = dict(self.terms)
        for monomial, coefficient in _terms(other):
            total[monomial] = total.get(monomial, 0) + coefficient
        return _dim(total)

    __radd__ = __add__

    def __neg__(self) -> "Dim":
        return SymbolicDim((monomial, -coefficient) for monomial, coefficient in self.terms)

    def __sub__(self, other: "Dim") -> "Dim":
        return self + (-other)

    def __rsub__(self, other: "Dim") -> "Dim":
        return -self + other

    def __mul__(self, other: "Dim") -> "Dim":
        if isinstance(other, UnknownDim):
            return other
        total: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in _terms(other):
                monomial = _product(left, right)
                total[monomial] = total.get(monomial, 0) + a * b
        return _dim(total)

    __rmul__ = __mul__

    def __floordiv__(self, other: "Dim") -> "Dim":
        if isinstance(other, UnknownDim):
            return other
        if isinstance(other, int):
            return _divide_by_int(self, other)
        return _divide(self, other)

    def __rfloordiv__(self, other: "Dim") -> "Dim":
        if isinstance(other, UnknownDim) or other == 0:
            return other
        return _divide(other, self)

    def __mod__(self, other: "Dim") -> "Dim":
        return self - other * (self // other)

    def __rmod__(self, other: "Dim") -> "Dim":
        return other - self * (other // self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SymbolicDim) and self.terms == other.terms

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        if not self._text:
            self._text = self._format()
        return self._text

    def _format(self) -> str:
        parts: list[str] = []
        for monomial, coefficient in self.terms:
            sign = ("- " if parts else "-") if coefficient < 0 else ("+ " if parts else "")
            factors = [_factor(atom) for atom in monomial]
            if not monomial or abs(coefficient) != 1:
                factors.insert(0, str(abs(coefficient)))
            elif len(monomial) == 1 and sign != "-":
                # Division binds tighter than a sum, so it stands bare there; a leading minus binds tighter still.
                factors = [str(monomial[0])]
            parts.append(sign + "*".join(factors))
        return " ".join(parts)


Dim: TypeAlias = Union[int, SymbolicDim, UnknownDim]  # noqa: UP007  a forward reference needs the runtime form
Shape: TypeAlias = tuple[Dim, ...]


def symbol(name: str) -> SymbolicDim:
    """The symbolic dim of that name; any text but the empty one names a symbol.

    Raises:
        CnnirError: ``dim-syntax`` for an empty name.
    """
    if not name:
        raise CnnirError("dim-syntax", "a symbolic dim needs a name")
    return SymbolicDim([((Symbol(name),), 1)])


def is_known(dim: Dim) -> TypeGuard[int]:
    """True for a plain number."""
    return isinstance(dim, int)


def ceil_div(dim: Dim, divisor: int) -> Dim:
    """``dim / divisor``, rounded up."""
    return (dim + (divisor - 1)) // divisor


def product(dims: Iterable[Dim]) -> Dim:
    """The product of the dims; 1 for none. A zero makes it zero, whatever the others are."""
    result: Dim = 1
    for dim in dims:
        if dim == 0:
            return 0
        result = result * dim
    return result


def symbols(dim: Dim) -> frozenset[str]:
    """Names of the symbols that the dim depends on."""
    if not isinstance(dim, SymbolicDim):
        return frozenset()
    found: set[str] = set()
    for monomial, _ in dim.terms:
        for atom in monomial:
            if isinstance(atom, Symbol):
                found.add(atom.name)
            else:
                found |= symbols(atom.numerator) | symbols(atom.divisor)
    return frozenset(found)


def bind(dim: Dim, values: Mapping[str, Dim]) -> Dim:
    """The dim with some of its symbols replaced by numbers or other dims.

    Raises:
        CnnirError: ``dim-division`` when a divisor becomes zero.
    """
    if not isinstance(dim, SymbolicDim) or not any(name in values for name in symbols(dim)):
        return dim
    total: Dim = 0
    for monomial, coefficient in dim.terms:
        total = total + product([coefficient, *(_bind_atom(atom, values) for atom in monomial)])
    return total


def _bind_atom(atom: Atom, values: Mapping[str, Dim]) -> Dim:
    if isinstance(atom, Symbol):
        return values.get(atom.name, SymbolicDim([((atom,), 1)]))
    divisor = bind(atom.divisor, values)
    if divisor == 0:
        raise CnnirError("dim-division", "a dim is divided by zero", got=str(atom))
    return bind(atom.numerator, values) // divisor


# Canonical form


def _terms(dim: "int | SymbolicDim") -> Iterable[tuple[Monomial, int]]:
    return dim.terms if isinstance(dim, SymbolicDim) else (((), dim),)


def _dim(terms: Mapping[Monomial, int]) -> Dim:
    """The dim of these terms, zero ones dropped; a plain int when only the constant is left."""
    kept = {monomial: coefficient for monomial, coefficient in terms.items() if coefficient}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    return SymbolicDim(sorted(kept.items(), key=_rank) if len(kept) > 1 else kept.items())


def _rank(term: tuple[Monomial, int]) -> tuple[int, list[str]]:
    """Terms of high degree first, the constant last."""
    monomial, _ = term
    return -len(monomial), [str(atom) for atom in monomial]


def _product(left: Monomial, right: Monomial) -> Monomial:
    if not left or not right:
        return left or right
    # Symbols stand before divisions, each by name, so that equal products are equal tuples.
    return tuple(sorted((*left, *right), key=lambda atom: (isinstance(atom, FloorDiv), str(atom))))


def _divide_by_int(dim: SymbolicDim, divisor: int) -> Dim:
    if divisor == 0:
        raise CnnirError("dim-division", "a dim is divided by zero", got=f"{dim}//0")
    if divisor < 0:
        return _floor(-dim, -divisor)
    return _floor(dim, divisor)


def _floor(dim: Dim, divisor: int) -> Dim:
    """``dim // divisor`` for a positive divisor."""
    if not isinstance(dim, SymbolicDim) or divisor == 1:
        return dim // divisor if isinstance(dim, int) else dim
    whole = _dim({monomial: coefficient // divisor for monomial, coefficient in dim.terms})
    rest = _dim({monomial: coefficient % divisor for monomial, coefficient in dim.terms})
    if not isinstance(rest, SymbolicDim):
        return whole
    common = math.gcd(divisor, *(coefficient for monomial, coefficient in rest.terms if monomial))
    if common > 1:
        # The constant may not divide evenly, but what is left of it is too small to reach the next multiple.
        reduced = _dim({monomial: coefficient // common for monomial, coefficient in rest.terms})
        return whole + _floor(reduced, divisor // common)
    inner = [atom for monomial, _ in rest.terms for atom in monomial if isinstance(atom, FloorDiv)]
    if len(inner) == 1 and isinstance(inner[0].divisor, int) and ((inner[0],), 1) in rest.terms:
        scale = inner[0].divisor
        others = rest - SymbolicDim([((inner[0],), 1)])
        return whole + _floor(inner[0].numerator + others * scale, divisor * scale)
    return whole + SymbolicDim([((FloorDiv(rest, divisor),), 1)])


def _divide(dim: "int | SymbolicDim", divisor: SymbolicDim) -> Dim:
    """Division by a symbolic divisor: exact where every term divides, an atom otherwise."""
    if dim == divisor:
        return 1
    if len(divisor.terms) == 1:
        ((factor, scale),) = divisor.terms
        quotients = [_cancel(monomial, factor) for monomial, _ in _terms(dim)]
        if all(quotient is not None for quotient in quotients):
            exact = _dim({q: c for q, (_, c) in zip(quotients, _terms(dim), strict=True) if q is not None})
            return exact // scale
    numerator = dim if isinstance(dim, SymbolicDim) else SymbolicDim([((), dim)])
    return SymbolicDim([((FloorDiv(numerator, divisor),), 1)])


def _cancel(monomial: Monomial, factor: Monomial) -> Monomial | None:
    """The monomial without the factor's atoms, None when it lacks one."""
    left = list(monomial)
    for atom in factor:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


# Deciding

Ranges: TypeAlias = Mapping[str, tuple[int | None, int | None]]
"""Least and greatest value of symbols, None where open; 1 and open for symbols that are not named."""


def bounds(dim: Dim, ranges: Ranges | None = None) -> tuple[int | None, int | None]:
    """Least and greatest value that interval arithmetic proves, None where it proves none."""
    if isinstance(dim, int):
        return dim, dim
    if isinstance(dim, UnknownDim):
        return None, None
    low: int | None = 0
    high: int | None = 0
    for monomial, coefficient in dim.terms:
        least, most = _product_range(monomial, ranges or {})
        if coefficient < 0:
            least, most = most, least
        low = None if low is None or least is None else low + coefficient * least
        high = None if high is None or most is None else high + coefficient * most
    return low, high


def _product_range(monomial: Monomial, ranges: Ranges) -> tuple[int | None, int | None]:
    """Interval of a product of atoms; in whole numbers, since a rounded bound would prove nothing."""
    low: int | None = 1
    high: int | None = 1
    for atom in monomial:
        least, most = _atom_range(atom, ranges)
        if low is not None and low >= 0 and least is not None and least >= 0:
            low, high = low * least, None if high is None or most is None else high * most
            continue
        ends = (low, high, least, most)
        if any(end is None for end in ends):
            return None, None
        corners = [a * b for a in (low, high) for b in (least, most) if a is not None and b is not None]
        low, high = min(corners), max(corners)
    return low, high


def _atom_range(atom: Atom, ranges: Ranges) -> tuple[int | None, int | None]:
    if isinstance(atom, Symbol):
        return ranges.get(atom.name, (1, None))
    low, high = bounds(atom.numerator, ranges)
    if isinstance(atom.divisor, int):
        return None if low is None else low // atom.divisor, None if high is None else high // atom.divisor
    divisor_low, _ = bounds(atom.divisor, ranges)
    if low is not None and low >= 0 and divisor_low is not None and divisor_low >= 1:
        return 0, None if high is None else high // divisor_low
    return None, None


def decide_at_least(dim: Dim, least: Dim, ranges: Ranges | None = None) -> bool | None:
    """Is ``dim >= least`` always (True), never (False), or not decided (None)?"""
    low, high = bounds(dim - least, ranges)
    if low is not None and low >= 0:
        return True
    return False if high is not None and high < 0 else None


def decide_equal(dim: Dim, other: Dim, ranges: Ranges | None = None) -> bool | None:
    """Is ``dim == other`` always (True), never (False), or not decided (None)?"""
    difference = dim - other
    if isinstance(difference, int):
        return difference == 0
    if isinstance(difference, UnknownDim):
        return None
    low, high = bounds(difference, ranges)
    if (low is not None and low > 0) or (high is not None and high < 0):
        return False
    constant = dict(difference.terms).get((), 0)
    common = math.gcd(*(coefficient for monomial, coefficient in difference.terms if monomial))
    return False if constant % common else None


# Text


def format_dim(dim: Dim) -> str:
    """The dim as text, which `parse_dim` reads back."""
    return str(dim)


def _factor(item: "Dim | Atom") -> str:
    """Text that may stand beside ``*`` and ``//``."""
    text = str(item)
    if isinstance(item, Symbol | int):
        return text
    single = isinstance(item, SymbolicDim) and len(item.terms) == 1 and item.terms[0][1] == 1
    if (
        single
        and isinstance(item, SymbolicDim)
        and len(item.terms[0][0]) == 1
        and isinstance(item.terms[0][0][0], Symbol)
    ):
        return text
    return f"({text})"


def parse_dim(text: str) -> Dim:
    """The dim that a text stands for: ints, names (quoted where they are no identifiers), ``?``, ``+ - * // %``.

    Raises:
        CnnirError: ``dim-syntax`` with the column.
    """
    from cnnir.dim_text import parse_dim_text  # noqa: PLC0415  the parser makes dims

    return parse_dim_text(text)
