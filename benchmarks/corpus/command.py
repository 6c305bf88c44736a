"""The command: a process and a row for each model, and the sums."""

import argparse
import contextlib
import json
import multiprocessing
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.corpus.case import Case
from benchmarks.corpus.figures import judge_shapes
from benchmarks.corpus.open_sizes import judge_open
from benchmarks.corpus.row import Row
from benchmarks.corpus.values import judge_export, judge_plan, judge_values
from cnnir import CnnirError

STAGES: Mapping[str, Callable[[Case, Row], None]] = {
    "shapes": judge_shapes,
    "open": judge_open,
    "values": judge_values,
    "export": judge_export,
    "plan": judge_plan,
}

_COLUMNS = {
    "nodes": 13, "loaded": 11, "simplified": 11, "MACs": 8, "open": 6, "before": 7, "after": 7, "export": 7, "plan": 7,
}  # fmt: skip
"""Widths. Shapes are right/unknown/wrong; errors are relative to an output's largest element; plans are in MiB."""


def main(argv: Sequence[str] | None = None) -> int:
    """A row for each model, the sums, and what is wrong."""
    parser = argparse.ArgumentParser(description="Real exports against the truth and ONNX Runtime.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--match", default="", help="only models whose name contains this")
    parser.add_argument("--stage", action="append", choices=list(STAGES), help="only these stages")
    options = parser.parse_args(argv)
    listed = options.folder / "truth.json"
    entries = json.loads(listed.read_text()) if listed.is_file() else []
    truths = [entry for entry in entries if options.match in entry["key"]]
    if not truths:
        print(f"no model in {options.folder} matches {options.match}")
        return 2
    print(f"{'':42}{'s':>6}{'MiB':>7}" + "".join(f"{name:>{width}}" for name, width in _COLUMNS.items()))
    rows = []
    for truth in truths:
        rows.append(_row(options.folder, truth, options.stage or list(STAGES)))
        _show(rows[-1])
    _sums(rows)
    return 1 if any(row.faults for row in rows) else 0


def _row(folder: Path, truth: Mapping[str, Any], stages: Sequence[str]) -> Row:
    """Judge a model in a process of its own; where that dies, the row says in which stage."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.corpus.command"])
    mine, theirs = context.Pipe(duplex=False)
    row = Row(truth["key"])
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, mine:
        process = context.Process(target=_judge, args=(theirs, folder, truth, stages, Path(scratch)))
        process.start()
        theirs.close()
        with contextlib.suppress(EOFError):
            while True:
                row = mine.recv()
        process.join()
    row.seconds = time.perf_counter() - begin
    if process.exitcode:
        row.faults.append(f"the process died after {', '.join(row.cells) or 'nothing'}, exit code {process.exitcode}")
    return row


def _judge(report: Connection, folder: Path, truth: Mapping[str, Any], stages: Sequence[str], scratch: Path) -> None:
    """Run the stages; the row is sent after each, so that it is known how far a process came that dies."""
    row = Row(truth["key"])
    case = Case(folder, truth, scratch)
    for name in (name for name in STAGES if name in stages):
        try:
            STAGES[name](case, row)
        except CnnirError as error:
            row.faults.append(f"{name}: {error}" + ("" if error.hint else " (without a hint)"))
        except Exception as error:  # noqa: BLE001  each is a fault of this row, none stops the others
            row.faults.append(f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
        row.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        report.send(row)


def _show(row: Row) -> None:
    cells = "".join(f"{row.cells.get(name, '-'):>{width}}" for name, width in _COLUMNS.items())
    print(f"{row.name:42}{row.seconds:>6.1f}{row.memory / 2**20:>7,.0f}{cells}", flush=True)
    for line in row.notes:
        print(f"    {line}")
    for line in row.faults:
        print(f"    FAULT {line}", flush=True)


def _sums(rows: Sequence[Row]) -> None:
    counts = sum((row.counts for row in rows), Counter[str]())
    faulty = sum(bool(row.faults) for row in rows)
    print(
        f"{len(rows)} models, {len(rows) - faulty} without a fault, {faulty} with; {sum(r.seconds for r in rows):.0f} s"
    )
    verdicts = ("right", "unknown", "wrong")
    for what in ("loaded", "simplified", "open"):
        for title, key in (("shapes", "{1} {0}"), ("MACs", "MACs {0}, {1}")):
            found = {verdict: counts[key.format(verdict, what)] for verdict in verdicts}
            if any(found.values()):
                print(f"{title}, {what}: " + ", ".join(f"{count:,} {verdict}" for verdict, count in found.items()))
    for what in ("without opaque nodes", "networks with open sizes", "not judged"):
        print(f"{what}: {counts[what]}")
    for column in ("open", "before", "after", "export"):
        errors = [(float(row.cells[column]), row.name) for row in rows if column in row.cells]
        if errors:
            print(f"worst error, {column}: {max(errors)[0]:.0e} ({max(errors)[1]})")
