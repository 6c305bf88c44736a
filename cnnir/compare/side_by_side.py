"""Figures of two networks as text: a table, or one figure below the other where there is no room for it."""

import sys
from collections.abc import Sequence

from cnnir.columns import Columns
from cnnir.compare.model import Figure
from cnnir.dims import Dim, format_dim, is_known
from cnnir.units import format_size

_BELOW = "see below"
"""Stands in the table for a formula that is wider than a column should be."""

_WIDEST = 24


def figures_text(figures: Sequence[Figure], width: int | None = None) -> str:
    """The figures side by side, what is not known with its reason below.

    Args:
        figures: Both networks' figures.
        width: Columns of the terminal; None where nothing sets a limit.
    """
    rows = [("", "before", "after", "difference")]
    rows += [(_name(figure), _dim(figure.before), _dim(figure.after), _difference(figure)) for figure in figures]
    columns = Columns(rows[0], rows[1:], right=(1, 2, 3), width=sys.maxsize, gap=2)
    if width is None or columns.width <= width:
        lines = [line for row in rows for line in columns.row(row)]
    else:
        lines = [line for row in rows[1:] for line in _stacked(*row, width=width)]
    lines = [line.rstrip() for line in lines]
    for figure in figures:
        for side, dim, reason in (
            ("before", figure.before, figure.reason),
            ("after", figure.after, figure.other_reason),
        ):
            lines += [f"not known, {_name(figure)} {side}: {reason}"] if reason else []
            lines += [f"{_name(figure)} {side}: {format_dim(dim)}"] if dim is not None and _dim(dim) == _BELOW else []
    return "".join(f"{line}\n" for line in lines)


def _stacked(name: str, before: str, after: str, difference: str, *, width: int) -> list[str]:
    """A figure below its name."""
    told = f"  {before} -> {after}" if before != after else f"  {after}"
    change = "" if difference == "same" else f" ({difference})"
    if len(told) + len(change) <= width:
        return [name, told + change]
    return [name, *(f"  {part}" for part in (f"{before} ->", after, *([difference] if change else ())))]


def _name(figure: Figure) -> str:
    return f"{figure.name} ({figure.unit})" if figure.unit else figure.name


def _dim(dim: Dim | None) -> str:
    if dim is None:
        return "?"
    text = f"{dim:,}" if is_known(dim) else format_dim(dim)
    return text if len(text) <= _WIDEST else _BELOW


def _difference(figure: Figure) -> str:
    change = figure.difference
    if change is None:
        return "?" if figure.before != figure.after or figure.before is None else "same"
    if not change:
        return "same"
    sign = "+" if change > 0 else "-"
    return f"{sign}{format_size(abs(change))}" if figure.unit == "bytes" else f"{change:+,}"
