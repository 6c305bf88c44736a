"""Running passes: each on a clone, verified before it is swapped in, its result compared when that is asked for."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.base import Journal, Pass, PassResult, StageRecord
from cnnir.passes.checking.failures import failure
from cnnir.passes.checking.interface import check_interface
from cnnir.passes.checking.value_check import ValueCheck, compare_values
from cnnir.passes.pipeline import Pipeline, make_pass
from cnnir.verify import verify


def apply(
    graph: Graph,
    what: Pass | Pipeline | str | Sequence[Pass],
    *,
    check: Literal["values"] | None = None,
    seed: int = 0,
    **options: Any,
) -> PassResult:
    """Run a pass or a pipeline.

    Args:
        graph: Left as it is.
        what: A pass, several, or text: one name (with `options`) or a pipeline.
        check: ``values`` runs the graph before and after each pass on seeded inputs, symbolic dims bound to small sizes
            that its conditions allow. A pass that promises to keep values must; of the others the difference is told.
            Where nothing can be compared, the result says why.
        seed: Of those inputs.
        **options: Options of a pass given by name.

    Returns:
        The new graph, and what was done to it by all passes together and by each.

    Raises:
        CnnirError: from a pass or from verification of its result, naming the pass, the node and those that it reads;
            ``pass-failed`` for any other exception of a pass; ``pass-values`` when the check finds a difference.
            `graph` is then as it was.
    """
    if check not in (None, "values"):
        raise CnnirError("usage", "no such check", expected="values", got=check)
    journal, records, first = Journal(), list[StageRecord](), graph
    stages = _stages(what, options)
    for number, stage in enumerate(stages, 1):
        clone, own = graph.clone(), Journal()
        begin = time.perf_counter()
        _run(stage, graph, clone, own, f", stage {number} of {len(stages)}" if len(stages) > 1 else "")
        seconds = time.perf_counter() - begin
        compared, reason = _checked(stage, graph, clone, seed) if check == "values" else (None, "")
        records.append(
            StageRecord(
                str(stage), seconds, len(graph), len(clone), tuple(own.changes), tuple(own.refusals), stage.preserves,
                compared, reason,
            )
        )  # fmt: skip
        journal.add(own)
        graph = clone
    if check == "values" and len(records) > 1:
        compared, reason = _compared(first, graph, seed)
    else:
        compared, reason = records[0].check, records[0].unchecked
    return PassResult(
        graph, tuple(journal.changes), tuple(journal.refusals), journal.metrics, tuple(records), compared, reason
    )


def _run(stage: Pass, graph: Graph, clone: Graph, journal: Journal, number: str) -> None:
    """Run a pass on a clone of the graph, and verify what comes of it.

    Raises:
        CnnirError: naming the pass, the node and what that reads.
    """
    try:
        stage.rewrite(clone, journal)
        journal.place = None  # the pass is done: what is wrong from here on, the verification finds
        verify(clone)
    except Exception as error:  # noqa: BLE001  whatever a pass raises is told with its place
        told = failure(error, f"{stage.name}{number}", graph, clone, journal)
        raise told from (None if told is error else error)
    if stage.preserves != "nothing":
        check_interface(graph, clone, stage.name)


def _checked(stage: Pass, before: Graph, after: Graph, seed: int) -> tuple[ValueCheck | None, str]:
    """The comparison, or why there is none.

    Raises:
        CnnirError: ``pass-values`` for a pass that promises to keep values and does not, ``value-lost`` when what it
            has made does not run.
    """
    compared, reason = _compared(before, after, seed, strict=stage.preserves == "values")
    if compared is not None and not compared.equal and stage.preserves == "values":
        where = compared.divergence
        raise CnnirError(
            "pass-values",
            f"the pass {stage.name} changes what the network computes",
            node=compared.first,
            expected=f"at most {compared.tolerance:g} of the largest value",
            got=f"{compared.relative:.3g}",
            hint=None if where is None else f"first in {where.node or 'the outputs'}: {where}",
        )
    return compared, reason


def _compared(before: Graph, after: Graph, seed: int, *, strict: bool = False) -> tuple[ValueCheck | None, str]:
    """The comparison, or why there is none; strictly, what ran before has to run."""
    try:
        return compare_values(before, after, seed), ""
    except CnnirError as error:
        if strict and error.code == "value-lost":
            raise
        return None, str(error)


def _stages(what: Pass | Pipeline | str | Sequence[Pass], options: Mapping[str, Any]) -> tuple[Pass, ...]:
    if isinstance(what, str):
        return (make_pass(what, options),) if options else Pipeline.parse(what).stages
    if options:
        raise CnnirError("option-unknown", "options go with a pass given by name", got=", ".join(options))
    if isinstance(what, Pass):
        return (what,)
    given: tuple[object, ...] = what.stages if isinstance(what, Pipeline) else ()
    if isinstance(what, Sequence):
        given = tuple(what)
    stages = tuple(stage for stage in given if isinstance(stage, Pass))
    if not stages or len(stages) != len(given):
        raise CnnirError("pass-unknown", "no pass", expected="a pass, several, or text", got=repr(what))
    return stages
