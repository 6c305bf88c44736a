"""Tables and plans as text for a terminal, laid out to the width there is."""

from collections.abc import Iterable, Mapping, Sequence

from cnnir.analysis import Fields
from cnnir.columns import Columns, folded
from cnnir.dims import Dim, format_dim, is_known
from cnnir.plan import MemoryPlan
from cnnir.reports.steps import StepRow, step_rows
from cnnir.reports.table import Row, Table
from cnnir.units import format_bytes, format_size

COLUMNS: tuple[str, ...] = (
    *("layer", "op", "output", "elements", "memory", "weights", "params", "MACs"),
    *("field", "stride"),
)

WORDS = ("layer", "op", "output")
"""The columns of words; the others hold numbers and stand right."""

WIDE = 200
"""Columns where no terminal sets a limit: a pipe, a file, a notebook."""

GAP = 3
"""Spaces between columns."""


def table_text(table: Table, *, width: int = WIDE, every_row: bool = False, columns: Sequence[str] = COLUMNS) -> str:
    """The table with its totals and the rules by which they were counted.

    Args:
        table: Its data.
        width: Columns of the terminal.
        every_row: Also the rows that add nothing to any total; else each stands beside the row that it follows.
        columns: Names of the columns wanted, of those in `COLUMNS`.
    """
    cells: dict[str, list[str]] = {name: [] for name in COLUMNS}
    for row, followers in grouped(table.rows, every_row=every_row):
        for name, text in zip(COLUMNS, row_texts(row, followers), strict=True):
            cells[name].append(text)
    wanted = {name: cells[name] for name in columns if any(cells[name])}
    kept = _that_fit(wanted, width)
    numbers = [index for index, name in enumerate(kept) if name not in WORDS]
    rows = list(zip(*(cells[name] for name in kept), strict=True))
    lines = Columns(kept, rows, right=numbers, width=width, gap=GAP).lines()
    missing = [name for name in wanted if name not in kept]
    left_out = [f"left out for want of room: {', '.join(missing)}"] if missing else []
    return _text([*lines, *(part for line in (*left_out, *_below(table)) for part in folded(line, width))])


def row_texts(row: Row, followers: Sequence[Row]) -> list[str]:
    """A row's cells, in the order of `COLUMNS`; the ops of the rows that stand beside it follow its own."""
    return [
        row.name,
        " + ".join([row.detail, *(follower.detail for follower in followers)]),
        format_shape(row.shape),
        format_count(row.elements),
        format_memory(row.bytes),
        format_count(row.weights),
        format_count(row.params),
        format_count(row.macs),
        format_field(row.fields),
        format_stride(row.fields),
    ]


def _that_fit(cells: Mapping[str, Sequence[str]], width: int) -> list[str]:
    """The columns that a narrow terminal has room for; the ones that others tell best go first."""
    kept = list(cells)
    for name in ("stride", "field", "params", "elements", "op", "weights", "output"):
        if sum(max(map(len, [column, *cells[column]])) + GAP for column in kept) <= width + GAP:
            break
        kept = [other for other in kept if other != name]
    return kept


def grouped(rows: Sequence[Row], *, every_row: bool = False) -> list[tuple[Row, list[Row]]]:
    """Each row with the silent ones behind it, which stand in its place or look at its bytes."""
    groups: list[tuple[Row, list[Row]]] = []
    for row in rows:
        if groups and row.is_silent and not every_row:
            groups[-1][1].append(row)
        else:
            groups.append((row, []))
    return groups


def steps_text(plan: MemoryPlan, *, width: int = WIDE) -> str:
    """The schedule, a line a step: what it writes, where, and how much lives then."""
    found = step_rows(plan)
    cells = {
        "step": [str(row.number) for row in found],
        "node": [row.nodes for row in found],
        "writes": [row.writes for row in found],
        "offset": [", ".join(map(format_count, row.offsets)) or "-" for row in found],
        "size": [format_size(row.bytes) for row in found],
        "scratch": [_scratch(row) for row in found],
        "live": [format_size(row.live) + (" <- peak" if row.is_peak else "") for row in found],
    }
    if not any(row.scratch for row in found):
        del cells["scratch"]
    rows = list(zip(*cells.values(), strict=True))
    right = [index for index, name in enumerate(cells) if name not in {"node", "writes"}]
    return _text(Columns(list(cells), rows, right=right, width=width).lines())


def _scratch(row: StepRow) -> str:
    """``96 B``, with what of it holds strips."""
    strips = f" (strips {format_size(row.strips)})" if row.strips else ""
    return format_size(row.scratch) + strips if row.scratch else "-"


def format_shape(shape: Sequence[Dim] | None) -> str:
    """``1x64x224x224``; an expression stands in parentheses."""
    if shape is None:
        return "unknown"
    texts = [format_dim(dim) for dim in shape]
    return "x".join(text if text.isalnum() or text == "?" else f"({text})" for text in texts) or "scalar"


def format_count(count: Dim | None) -> str:
    """``3,211,264``, a formula, or ``unknown``."""
    if count is None:
        return "unknown"
    return f"{count:,}" if is_known(count) else format_dim(count)


def format_field(fields: Fields) -> str:
    """``212``, ``7x15`` where height and width differ, ``404 (all)`` where every element sees the whole input."""
    if not fields:
        return ""
    seen = " (all)" if all(field.whole for field in fields) else ""
    return _once(format_count(field.size) for field in fields) + seen


def format_stride(fields: Fields) -> str:
    """``32``, ``1/2``, ``-`` where all elements see the same, ``varies`` where neighbours are not evenly apart."""
    return _once(
        "-"
        if field.stride == 0
        else "varies"
        if field.size and field.stride is None
        else str(field.stride or "unknown")
        for field in fields
    )


def _once(texts: Iterable[str]) -> str:
    """The texts with an x between, or one for all that are alike."""
    found = list(texts)
    return "x".join(found if len(set(found)) > 1 else found[:1])


def format_memory(count: Dim | None, *, exact: bool = False) -> str:
    """Bytes in words; a formula in bytes; or ``unknown``."""
    if count is None:
        return "unknown"
    if not is_known(count):
        return f"{format_dim(count)} B"
    return format_bytes(count) if exact else format_size(count)


def below(table: Table) -> list[tuple[str, str]]:
    """What stands below the rows: each total's name and its text."""
    totals = table.totals
    return [
        (
            "activations, forward",
            f"{format_count(totals.elements)} elements, {format_memory(totals.bytes, exact=True)}",
        ),
        (
            "activations, forward + backward (x2)",
            f"{format_count(totals.training_elements)} elements, {format_memory(totals.training_bytes, exact=True)}",
        ),
        ("weights", f"{format_count(totals.weights)}, with biases and scales {format_count(totals.params)} params"),
        ("weight memory", format_memory(totals.weight_bytes, exact=True)),
        ("MACs", format_count(totals.macs)),
    ]


def _below(table: Table) -> list[str]:
    entries = below(table)
    column = max(len(name) for name, _ in entries)
    lines = [f"{name:<{column}}  {text}" for name, text in entries]
    lines += [f"not known: {reason}" for reason in table.reasons]
    lines += [f"holds for: {constraint}" for constraint in table.constraints]
    lines += [f"note: {note}" for note in table.notes]
    return [*lines, "", *(f"rule: {rule}" for rule in table.accounting)]


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line.rstrip()}\n" for line in lines)
