"""Shapes and MACs at the true size, as loaded and simplified."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from benchmarks.corpus.case import SIMPLIFY, Case
from benchmarks.corpus.row import Row
from cnnir import Graph, load
from cnnir.analysis import costs
from cnnir.dims import bind, is_known
from cnnir.ops import Opaque
from cnnir.types import TensorType

_OPEN: Mapping[str, int] = MappingProxyType({})


def judge_shapes(case: Case, row: Row) -> None:
    """Load open and bound; compare with the truth before and after ``simplify``."""
    load(case.path)
    graph = load(case.path, bind=case.sizes)
    simplified = graph.apply(SIMPLIFY).graph
    row.cells["nodes"] = f"{len(graph)} > {len(simplified)}"
    row.counts["without opaque nodes"] = int(not any(isinstance(node.op, Opaque) for node in simplified.nodes))
    for what, one in (("loaded", graph), ("simplified", simplified)):
        row.cells[what] = compare_shapes(one, case.shapes, row, what, what)
        row.cells["MACs"] = _macs(one, case.truth["macs"], row, what)


def compare_shapes(
    graph: Graph, true: Mapping[str, Sequence[int]], row: Row, sum_of: str, what: str, sizes: Mapping[str, int] = _OPEN
) -> str:
    """How many tensors have the right shape, none or a wrong one, as ``12/0/0``.

    Args:
        graph: Its values are looked up by name.
        true: The right shapes.
        row: Gets the counts, and a fault for shapes that are wrong or not known.
        sum_of: Which sum the counts go into.
        what: Which shapes these are, for the fault.
        sizes: Numbers that are put in for symbols first.
    """
    right, unknown, wrong = 0, list[str](), list[str]()
    for value in graph.values:
        shape = true.get(value.name)
        if shape is None:
            continue
        dims = [bind(dim, sizes) for dim in value.type.shape] if isinstance(value.type, TensorType) else None
        if dims is None or not all(is_known(dim) for dim in dims):
            unknown.append(f"{value.name} is {value.type}, true is {list(shape)}")
        elif dims == list(shape):
            right += 1
        else:
            wrong.append(f"{value.name} is {dims}, true is {list(shape)}")
    row.counts.update({f"{sum_of} right": right, f"{sum_of} unknown": len(unknown), f"{sum_of} wrong": len(wrong)})
    for verdict, found in (("wrong", wrong), ("unknown", unknown)):
        if found:
            row.faults.append(f"{len(found)} {verdict} shapes, {what}: {found[0]}")
    if not right:
        row.faults.append(f"no tensor of the graph is one of the truth, {what}")
    return f"{right}/{len(unknown)}/{len(wrong)}"


def _macs(graph: Graph, true: int, row: Row, what: str) -> str:
    """Right, unknown or wrong."""
    macs = costs(graph).macs
    known = macs is not None and is_known(macs)
    verdict = ("right" if macs == true else "wrong") if known else "unknown"
    row.counts[f"MACs {verdict}, {what}"] += 1
    if verdict != "right":
        row.faults.append(f"MACs {verdict}, {what}: {macs} for {true}")
    return verdict
