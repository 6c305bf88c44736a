"""Where the time of a run went: as a table, as data, and as a trace that browsers show."""

import json
from typing import Any

from cnnir.columns import Columns, folded
from cnnir.interpreter.profiling import RULES, RunProfile, StepProfile
from cnnir.reports.text import WIDE, format_count, format_memory

_HEADINGS = ("step", "node", "algorithm", "\N{MICRO SIGN}s", "share", "MACs", "MACs/s", "bytes", "bytes/s")

_WORDS = (1, 2)
"""Columns of words; the others hold numbers."""

_SCALES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def profile_text(profile: RunProfile, *, width: int = WIDE) -> str:
    """A line a step, the slowest first, and their sums.

    Args:
        profile: Its data.
        width: Columns of the terminal.
    """
    sums = _cells("", "total", "", profile.nanoseconds, profile.macs, profile.bytes, profile)
    rows = [_row(step, profile) for step in profile.slowest_first]
    numbers = [index for index in range(len(_HEADINGS)) if index not in _WORDS]
    columns = Columns(_HEADINGS, [*rows, sums], right=numbers, width=width, gap=2)
    head, line = columns.head()
    lines = [head, line, *(part for row in rows for part in columns.row(row)), line, *columns.row(sums)]
    elapsed = f"{profile.elapsed / 1e6:.3f} ms from the first step to the last, the median of {profile.runs} runs"
    rules = [part for rule in RULES for part in folded(f"rule: {rule}", width)]
    return "".join(f"{text}\n" for text in (*lines, *folded(elapsed, width), *rules))


def _row(step: StepProfile, profile: RunProfile) -> tuple[str, ...]:
    number = str(step.number)
    return _cells(number, step.nodes, step.algorithm, step.nanoseconds, step.macs, step.bytes, profile)


def _cells(
    number: str, nodes: str, algorithm: str, time: int, macs: int | None, moved: int | None, profile: RunProfile
) -> tuple[str, ...]:
    share = f"{time / profile.nanoseconds:.1%}" if profile.nanoseconds else ""
    # Times are whole tenths of a microsecond: what stands here adds up.
    return (
        number, nodes, algorithm, f"{time / 1e3:,.1f}", share,
        format_count(macs), _rate(macs, time), format_memory(moved), _rate(moved, time),
    )  # fmt: skip


def _rate(count: int | None, time: int) -> str:
    """So many a second: ``12.3 G``."""
    if not count or not time:
        return "-"
    rate = count * 1e9 / time
    scale, letter = next(((scale, letter) for scale, letter in _SCALES if rate >= scale), (1.0, ""))
    return f"{rate / scale:.1f} {letter}".rstrip()


def profile_document(profile: RunProfile) -> dict[str, Any]:
    """The same as data, the slowest step first."""
    steps = [
        {
            "step": step.number,
            "nodes": step.nodes,
            "algorithm": step.algorithm,
            "nanoseconds": step.nanoseconds,
            "macs": step.macs,
            "macs_per_second": _per_second(step.macs, step.nanoseconds),
            "bytes": step.bytes,
        }
        for step in profile.slowest_first
    ]
    return {
        "runs": profile.runs,
        "elapsed_nanoseconds": profile.elapsed,
        "nanoseconds": profile.nanoseconds,
        "macs": profile.macs,
        "macs_per_second": _per_second(profile.macs, profile.nanoseconds),
        "bytes": profile.bytes,
        "steps": steps,
        "accounting": list(RULES),
    }


def _per_second(count: int | None, time: int) -> float | None:
    return count * 1e9 / time if count is not None and time else None


def trace(profile: RunProfile) -> str:
    """One run as Chrome's trace events, in JSON: a bar a step, and below them what lives in the arena.

    ``chrome://tracing`` and Perfetto show it. The format: "Trace Event Format", docs.google.com/document/d/
    1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. Times are in microseconds.
    """
    here = {"pid": 0, "tid": 0}
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", **here, "args": {"name": f"cnnir run {profile.graph}"}},
        {"ph": "M", "name": "thread_name", **here, "args": {"name": "steps"}},
    ]
    for step in profile.steps:
        told = {"step": step.number, "algorithm": step.algorithm, "MACs": step.macs, "bytes": step.bytes}
        begin, length = step.begin / 1e3, (step.end - step.begin) / 1e3
        events += [
            {"ph": "X", "name": step.nodes, "cat": step.algorithm.partition("{")[0], **here, "ts": begin, "dur": length,
             "args": told},
            {"ph": "C", "name": "live bytes", **here, "ts": begin, "args": {"live": step.live_bytes}},
        ]  # fmt: skip
    events.append({"ph": "C", "name": "live bytes", **here, "ts": profile.elapsed / 1e3, "args": {"live": 0}})
    return json.dumps({"displayTimeUnit": "ms", "traceEvents": events}, indent=1, ensure_ascii=False) + "\n"


__all__ = ["profile_document", "profile_text", "trace"]
