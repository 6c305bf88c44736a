"""``cnnir plan --range``: one plan for sizes that stay open."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from typing import Any

from cnnir.cli.output import OK, emit, wants
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.memory import symbolic_plan

_OF_ONE_SIZE = ("budget", "rewrite", "stored", "steps", "why", "svg", "onnx", "header", "tflm", "tflm_tensors")
"""Options of ``cnnir plan`` that are about a plan of known sizes."""


def add_arguments(parser: ArgumentParser) -> None:
    """``--range``."""
    parser.add_argument(
        "--range", action="append", default=[], type=_range, metavar="H=32:512",
        help="one plan for all these sizes of a symbolic dim, and the arena as a formula of it; may be repeated",
    )  # fmt: skip


def plan(graph: Graph, options: Namespace, planning: Mapping[str, Any]) -> int:
    """The plan for the ranges that the arguments name: 0.

    Raises:
        CnnirError: ``usage`` for what is about a plan of known sizes, or a symbol with two ranges; whatever
            `symbolic_plan` raises.
    """
    for name in _OF_ONE_SIZE:
        if getattr(options, name):
            option = f"--{name.replace('_', '-')}"
            raise CnnirError("usage", f"{option} is about a plan of known sizes, --range leaves them open")
    ranges = dict(options.range)
    if len(ranges) < len(options.range):
        raise CnnirError("usage", "a symbol has one range", got=", ".join(name for name, _ in options.range))
    found = symbolic_plan(graph, ranges, **planning)
    as_json = options.json or wants(options.output, "json")
    emit(found.to_json() if as_json else f"{found}\n", options.output)
    return OK


def _range(text: str) -> tuple[str, tuple[int, int]]:
    name, _, ends = text.partition("=")
    parts = [part.strip() for part in ends.split(":")]
    if not name.strip() or len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ArgumentTypeError(f"expected NAME=LEAST:MOST, got {text!r}")
    return name.strip(), (int(parts[0]), int(parts[1]))


__all__ = ["add_arguments", "plan"]
