"""The grid of a what-if as text."""

import textwrap

from cnnir.columns import Columns
from cnnir.reports.text import WIDE, format_count, format_memory
from cnnir.reports.whatif import Case, WhatIf

_GLUE = "\N{NO-BREAK SPACE}"

_HEADINGS = ("size", "batch", "dtype", "activations", "peak", "MACs")


def whatif_text(found: WhatIf, *, width: int = WIDE) -> str:
    """A line a case; a case without figures says why, and what would help, in the place of them.

    Args:
        found: The grid.
        width: Columns of the terminal.
    """
    cases = _once(found.cases)
    rows = [(case, _cells(case)) for case in cases if case.arena_bytes is not None]
    kept = [index for index in range(len(_HEADINGS)) if index > 2 or any(cells[index] for _, cells in rows)]
    numbers = [place for place, index in enumerate(kept) if index not in (0, 2)]
    shown = [[cells[index] for index in kept] for _, cells in rows]
    columns = Columns([_HEADINGS[index] for index in kept], shown, right=numbers, width=width, gap=2)
    lines = columns.head() if rows else []
    for (case, _), cells in zip(rows, shown, strict=True):
        lines += columns.row(cells)
        lines += _wrapped(f"    not known: {case.reason}", 4, width) if case.reason else []
    for case in cases:
        if case.arena_bytes is None:
            lines += _wrapped(f"{case.size or 'as it is'}: {case.reason}", 4, width)
            lines += _wrapped(f"    {case.remedy}", 4, width) if case.remedy else []
    rules = [line for rule in found.accounting for line in _wrapped(f"rule: {rule}", 2, width)]
    return "".join(f"{line.rstrip()}\n" for line in (*lines, "", *_formula(found, width), "", *rules))


def _once(cases: tuple[Case, ...]) -> list[Case]:
    """The cases, but of those that one size or batch keeps from having figures the first alone."""
    kept: dict[object, Case] = {}
    for case in cases:
        refused = case.arena_bytes is None
        named = (case.size, case.reason) if refused else (case.size, case.batch, case.dtype)
        kept.setdefault(named, case)
    return list(kept.values())


def _cells(case: Case) -> tuple[str, ...]:
    named = (case.size or "", case.batch or "", case.dtype or "")
    return (*named, format_memory(case.bytes), format_memory(case.arena_bytes), format_count(case.macs))


def _formula(found: WhatIf, width: int) -> list[str]:
    formula = found.formula
    if formula is None:
        return _wrapped(f"no formula in H and W: {found.no_formula}", 2, width)
    entries = (("activation bytes", formula.bytes), ("MACs", formula.macs), ("holds for", ", ".join(formula.holds_for)))
    lines = ["for any height H and width W, at the network's own batch and element type:"]
    for name, text in entries:
        lines += _wrapped(f"  {name}: {_glued(text)}", 4, width) if text else []
    return [line.replace(_GLUE, " ") for line in lines]


def _glued(formula: str) -> str:
    """The formula so that no line ends inside of parentheses."""
    depth, letters = 0, []
    for letter in formula:
        depth += (letter == "(") - (letter == ")")
        letters.append(_GLUE if letter == " " and depth else letter)
    return "".join(letters)


def _wrapped(text: str, indent: int, width: int) -> list[str]:
    return textwrap.wrap(
        text, max(width, 40), subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False,
        drop_whitespace=True, replace_whitespace=False,
    )  # fmt: skip
