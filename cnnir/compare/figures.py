"""Cost and planned memory of two graphs, side by side."""

from cnnir.compare.model import Figure
from cnnir.dims import Dim
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes import graph_symbols
from cnnir.passes.checking.common_input import common_sizes
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


def at_common_sizes(before: Graph, after: Graph) -> tuple[Graph, Graph, dict[str, int]]:
    """Both with those dims bound that are open in one of them alone, to the size that the other has there.

    A rewrite that opens the size of an image is so compared at the size that the image had.

    Returns:
        The graphs, and what was bound; as they are where the inputs cannot be the same.
    """
    ours, theirs = graph_symbols(before), graph_symbols(after)
    try:
        sizes = common_sizes(before, after)
        alone = {name: sizes[name] for name in (*ours, *theirs) if (name in ours) != (name in theirs)}
        sides = [
            graph.bind(**{name: alone[name] for name in names if name in alone})
            for graph, names in ((before, ours), (after, theirs))
        ]
    except CnnirError:
        return before, after, {}
    return (sides[0], sides[1], alone) if alone else (before, after, {})


def _total(found: Table, attribute: str) -> tuple[Dim | None, str]:
    total: Dim | None = getattr(found.totals, attribute)
    return total, "; ".join(found.reasons) if total is None else ""


def _arena(graph: Graph) -> tuple[Dim | None, str]:
    try:
        return graph.plan().arena_bytes, ""
    except CnnirError as error:
        return None, str(error)
