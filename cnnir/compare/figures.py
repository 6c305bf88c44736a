"""Cost and planned memory of two graphs, side by side."""

from cnnir.compare.model import Figure
from cnnir.dims import Dim
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.reports.table import Table, table

_TOTALS = (
    ("params", "elements", "params"),
    ("weights", "bytes", "weight_bytes"),
    ("MACs", "", "macs"),
    ("activations", "elements", "elements"),
    ("activations", "bytes", "bytes"),
)
"""Name, unit, and attribute of the table's totals."""


def figures(before: Graph, after: Graph) -> tuple[Figure, ...]:
    """Size and MACs as the per-layer table counts them, then the planned arena; None where one is not known."""
    ours, theirs = table(before), table(after)
    rows = [Figure("nodes", "", len(before), len(after))]
    for name, unit, attribute in _TOTALS:
        first, reason = _total(ours, attribute)
        second, other_reason = _total(theirs, attribute)
        rows.append(Figure(name, unit, first, second, reason, other_reason))
    first, reason = _arena(before)
    second, other_reason = _arena(after)
    rows.append(Figure("planned arena", "bytes", first, second, reason, other_reason))
    return tuple(rows)


def _total(found: Table, attribute: str) -> tuple[Dim | None, str]:
    total: Dim | None = getattr(found.totals, attribute)
    return total, "; ".join(found.reasons) if total is None else ""


def _arena(graph: Graph) -> tuple[Dim | None, str]:
    try:
        return graph.plan().arena_bytes, ""
    except CnnirError as error:
        return None, str(error)
