"""What a rewrite changed: costs and planned memory before and after, as data and as text."""

from collections.abc import Callable
from dataclasses import dataclass

from cnnir.analysis import costs
from cnnir.dims import Dim
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.memory import known_bytes, plan
from cnnir.units import format_bytes


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both graphs.

    Attributes:
        name: What is counted.
        before: In the graph as it was; None when it is not known.
        after: In the new graph; None when it is not known.
        is_bytes: Whether the numbers are bytes.
    """

    name: str
    before: Dim | None
    after: Dim | None
    is_bytes: bool = False

    @property
    def ratio(self) -> float | None:
        """After over before, None when that is not known."""
        if isinstance(self.before, int) and isinstance(self.after, int) and self.before:
            return self.after / self.before
        return None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both graphs side by side.

    Attributes:
        rows: Params, MACs, sum of activations, planned peak.
        error: Largest difference of the outputs over the largest output, None when it was not measured.
        reasons: Why a figure is not known.
    """

    rows: tuple[Row, ...]
    error: float | None = None
    reasons: tuple[str, ...] = ()

    def row(self, name: str) -> Row:
        """The row of that name.

        Raises:
            CnnirError: ``row-unknown``.
        """
        for row in self.rows:
            if row.name == name:
                return row
        known = ", ".join(one.name for one in self.rows)
        raise CnnirError("row-unknown", "the comparison has no such row", got=name, expected=known)

    def __str__(self) -> str:
        cells: list[tuple[str, ...]] = [("", "before", "after", "ratio")]
        for row in self.rows:
            shown = [_number(value, is_bytes=row.is_bytes) for value in (row.before, row.after)]
            cells.append((row.name, *shown, "" if row.ratio is None else f"{row.ratio:.3f}"))
        widths = [max(len(line[column]) for line in cells) for column in range(4)]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *(line[i].rjust(widths[i]) for i in range(1, 4))]).rstrip()
            for line in cells
        ]
        if self.error is not None:
            lines.append(f"error of the outputs, relative to the largest: {self.error:.3g}")
        lines += [f"not known: {reason}" for reason in self.reasons]
        lines.append("activations: the input and every node's output, each once; peak: arena of the file's own order")
        return "\n".join(lines)


def compare(before: Graph, after: Graph, error: float | None = None) -> Comparison:
    """The figures of two graphs.

    Args:
        before: As it was.
        after: As it is now.
        error: Measured by the caller, put into the comparison.
    """
    reasons: list[str] = []
    ours, theirs = costs(before), costs(after)
    reasons += [*ours.reasons, *theirs.reasons]
    rows = (
        Row("params", ours.params, theirs.params),
        Row("MACs", ours.macs, theirs.macs),
        _measured("activations", _activations, before, after, reasons),
        _measured("planned peak", _peak, before, after, reasons),
    )
    return Comparison(rows, error, tuple(dict.fromkeys(reasons)))


def _measured(name: str, measure: Callable[[Graph], int], before: Graph, after: Graph, reasons: list[str]) -> Row:
    return Row(name, _attempt(measure, before, reasons), _attempt(measure, after, reasons), is_bytes=True)


def _attempt(measure: Callable[[Graph], int], graph: Graph, reasons: list[str]) -> int | None:
    try:
        return measure(graph)
    except CnnirError as error:
        reasons.append(str(error))
        return None


def _activations(graph: Graph) -> int:
    return sum(known_bytes(value) for value in graph.values if value.weight is None)


def _peak(graph: Graph) -> int:
    return plan(graph).arena_bytes


def _number(value: Dim | None, *, is_bytes: bool) -> str:
    if isinstance(value, int):
        return format_bytes(value) if is_bytes else f"{value:,}"
    return "not known" if value is None else str(value)
