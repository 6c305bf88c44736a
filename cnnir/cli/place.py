"""``cnnir place``: offsets for the buffers of another compiler."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from cnnir.cli.output import FINDINGS, OK, UNKNOWN, emit, wants
from cnnir.errors import CnnirError
from cnnir.passes.memory.placement import OPEN, TOO_LARGE, Placement, place
from cnnir.passes.memory.placement.minimalloc import BufferTable, read_buffers
from cnnir.units import format_bytes, parse_size

SCHEMA = "cnnir.place/1"

EFFORT = 100_000
"""Search nodes by default: some seconds, several times as many without compiled code."""


def add_arguments(parser: ArgumentParser) -> None:
    """What ``cnnir place`` takes."""
    parser.add_argument("file", metavar="FILE.csv", help="id,lower,upper,size; optional alignment, gaps")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the result there")
    parser.add_argument("--json", action="store_true", help=f"the result as JSON ({SCHEMA})")
    parser.add_argument(
        "--capacity", type=_size, metavar="SIZE", help="any placement that is no higher will do (512KiB, 2MiB)"
    )
    parser.add_argument("--alignment", type=_positive, default=1, metavar="BYTES", help="of every offset (default: 1)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise in searches (default: 0)")
    parser.add_argument(
        "--effort", type=_count, default=EFFORT, metavar="NODES", help=f"of the searches (default: {EFFORT})"
    )
    parser.add_argument(
        "--cpsat",
        type=_count,
        default=0,
        metavar="WORK",
        help="of OR-Tools' CP-SAT, about seconds, when all else fails",
    )
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")


def place_file(options: Namespace) -> int:
    """``cnnir place``: 0 with a placement, 1 when there is none within the capacity, 3 when that is not known."""
    table = read_buffers(_text(Path(options.file)), options.file)
    found = place(
        table.bodies, options.alignment, capacity=options.capacity, seed=options.seed, effort=options.effort,
        cpsat=options.cpsat,
    )  # fmt: skip
    if options.json or wants(options.output, "json"):
        emit(_as_json(table, found), options.output)
    elif found.status not in (OPEN, TOO_LARGE) or options.capacity is None:
        emit(table.with_offsets(found.offsets), options.output)
    sys.stderr.write(f"{_summary(found)}\n")
    if options.capacity is None:
        return OK
    return {OPEN: UNKNOWN, TOO_LARGE: FINDINGS}.get(found.status, OK)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CnnirError("file-read", "the file cannot be read", node=str(path), got=error.strerror) from None
    except UnicodeDecodeError:
        raise CnnirError("buffers", "the file is no text in UTF-8", node=str(path)) from None


def _summary(found: Placement) -> str:
    lines = [f"{found.status}: height {format_bytes(found.height)}, found {found.heuristic}"]
    if found.proved > found.bound:
        lines.append(f"none is below {format_bytes(found.proved)}")
    lines.append(f"live at once {format_bytes(found.bound)}")
    if found.capacity is not None:
        lines.append(f"capacity {format_bytes(found.capacity)}")
    return ", ".join(lines)


def _as_json(table: BufferTable, found: Placement) -> str:
    content = {
        "schema": SCHEMA,
        "status": found.status,
        "height": found.height,
        "bound": found.bound,
        "proved": found.proved,
        "capacity": found.capacity,
        "how": found.heuristic,
        "nodes": found.nodes,
        "offsets": dict(zip(table.ids, found.offsets, strict=True)),
    }
    return json.dumps(content, indent=2) + "\n"


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError:
        raise ArgumentTypeError(f"expected a size such as 4096, 512KiB or 2MiB, got {text!r}") from None


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError(f"expected a whole number, got {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if _count(text) < 1:
        raise ArgumentTypeError(f"expected a positive number, got {text!r}")
    return int(text)
