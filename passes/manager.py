"""Running passes: each on a clone, verified before it is swapped in, its result compared when that is asked for."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.base import Journal, Pass, PassResult, StageRecord
from cnnir.passes.pipeline import Pipeline, make_pass
from cnnir.passes.value_check import ValueCheck, compare_values
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
        check: ``values`` runs the graph before and after each pass that promises to keep values, on seeded inputs.
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
    journal, records = Journal(), []
    for stage in _stages(what, options):
        clone, own = graph.clone(), Journal()
        begin = time.perf_counter()
        _run(stage, clone, own)
        _check_interface(stage, graph, clone)
        seconds = time.perf_counter() - begin
        compared = _checked(stage, graph, clone, seed) if check == "values" else None
        records.append(
            StageRecord(str(stage), seconds, len(graph), len(clone), tuple(own.changes), tuple(own.refusals), compared)
        )
        journal.add(own)
        graph = clone
    return PassResult(graph, tuple(journal.changes), tuple(journal.refusals), journal.metrics, tuple(records))


def _run(stage: Pass, clone: Graph, journal: Journal) -> None:
    try:
        stage.rewrite(clone, journal)
        verify(clone)
    except CnnirError as error:
        error.message = f"{error.message} (in pass {stage.name}{_behind(clone, error.node)})"
        raise
    except Exception as error:
        raise CnnirError(
            "pass-failed", f"{type(error).__name__}: {error}", node=stage.name, hint="this is a fault of the pass"
        ) from error


def _check_interface(stage: Pass, before: Graph, after: Graph) -> None:
    """The names of inputs and outputs are as they were, unless the pass promises nothing."""
    if stage.preserves == "nothing":
        return
    for what, old, new in (("inputs", before.inputs, after.inputs), ("outputs", before.outputs, after.outputs)):
        names, others = ([value.name for value in values] for values in (old, new))
        if names != others:
            raise CnnirError(
                "pass-interface",
                f"the pass has other {what} than it promises",
                node=stage.name,
                expected=names,
                got=others,
            )


def _behind(graph: Graph, label: str | None) -> str:
    """The nodes that the culprit reads: where a wrong edit often was made."""
    for node in graph.nodes:
        if node.label == label:
            before = dict.fromkeys(value.producer.label for value in node.operands if value.producer is not None)
            return f", behind {', '.join(before)}" if before else ""
    return ""


def _checked(stage: Pass, before: Graph, after: Graph, seed: int) -> ValueCheck | None:
    """The comparison for a pass that promises equal values; others promise less."""
    if stage.preserves != "values":
        return None
    compared = compare_values(before, after, seed)
    if not compared.equal:
        raise CnnirError(
            "pass-values", f"the pass {stage.name} changes what the network computes", node=compared.first,
            expected=f"at most {compared.tolerance:g} of the largest value", got=f"{compared.relative:.3g}",
        )  # fmt: skip
    return compared


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
