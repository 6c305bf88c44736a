"""Values at the true size: the interpreter, the exported file and the planned run."""

from pathlib import Path

import numpy as np
import onnx

from benchmarks.corpus.case import Case
from benchmarks.corpus.row import Row
from benchmarks.corpus.runtime import Judge, RuntimeUnfitError, runtime_outputs
from cnnir import Graph, save
from cnnir.plan import MemoryPlan, check_plan


def judge_values(case: Case, row: Row) -> None:
    """The interpreter against ONNX Runtime, before and after ``simplify``."""
    try:
        judge = case.judge
    except RuntimeUnfitError as error:
        row.notes.append(f"values not judged: {error}")
        row.counts["not judged"] += 1
        return
    found = case.graph.run(case.feed(case.sizes))
    row.cells["before"] = f"{judge.compare(found, row, 'as loaded'):.0e}"
    row.cells["after"] = f"{judge.compare(case.free, row, 'simplified'):.0e}"


def judge_export(case: Case, row: Row) -> None:
    """The network as loaded and simplified, written: valid, and equal in ONNX Runtime."""
    errors = []
    for what, graph in (("as loaded", case.graph), ("simplified", case.simplified)):
        path = written(graph, case, row, f"exported {what}")
        try:
            judge = case.judge
        except RuntimeUnfitError:
            judge = Judge(case.free, dict)
            row.notes.append(f"exported {what}: judged by our own run")
        try:
            found = runtime_outputs(path, case.feed(case.sizes))
        except RuntimeUnfitError as error:
            row.faults.append(f"exported {what}: {error}")
            continue
        errors.append(judge.compare(found, row, f"exported {what}"))
    row.cells["export"] = f"{max(errors):.0e}" if errors else "-"


def written(graph: Graph, case: Case, row: Row, what: str) -> Path:
    """The graph in a file that onnx's full check has seen."""
    path = case.scratch / "written.onnx"
    save(graph, path)
    try:
        onnx.checker.check_model(path, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        row.faults.append(f"{what}: not valid, {' '.join(str(error).split())[:200]}")
    return path


def judge_plan(case: Case, row: Row) -> None:
    """The plan as it would be read from a file, proved, and run."""
    plan = MemoryPlan.from_json(case.simplified.plan().to_json())
    check_plan(plan, case.simplified)
    row.cells["plan"] = f"{sum(pool.bytes for pool in plan.pools) / 2**20:,.1f}"
    planned = case.simplified.run(case.feed(case.sizes), plan=plan)
    for name, array in case.free.items():
        if array.shape != planned[name].shape or array.tobytes() != planned[name].tobytes():
            apart = np.count_nonzero(array != planned[name]) if array.shape == planned[name].shape else "all"
            row.faults.append(f"planned: {apart} elements of {name} are not those of the free run")
