"""``cnnir zoo``: finding out which networks there are by name."""

import argparse
import json
import textwrap
from itertools import groupby
from typing import Any

from cnnir import zoo
from cnnir.analysis import costs
from cnnir.cli.output import OK, emit
from cnnir.columns import Columns
from cnnir.dims import Dim
from cnnir.graph import Graph
from cnnir.reports.text import format_count, format_shape
from cnnir.types import TensorType

_COLUMNS = 80
"""Of the list: titles and sources are broken to fit."""

_HEADINGS = ("network", "params", "M MACs", "input", "title")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``cnnir zoo``."""
    parser.add_argument("what", choices=("list",), help="list every network, its figures and where it comes from")
    parser.add_argument("--json", action="store_true", help="the result as JSON (cnnir.zoo/1)")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")


def networks(options: argparse.Namespace) -> int:
    """``cnnir zoo list``: 0."""
    found = [_described(entry) for entry in zoo.NETWORKS.values()]
    if options.json:
        emit(json.dumps({"schema": "cnnir.zoo/1", "networks": found}, indent=2) + "\n", None)
    else:
        emit(_text(found), None)
    return OK


def _described(entry: zoo.Network) -> dict[str, Any]:
    """A network as its maker makes it when nothing is chosen."""
    graph = entry.make()
    found = costs(graph)
    return {
        "name": entry.name,
        "title": entry.title,
        "paper": entry.paper,
        "params": _figure(found.params),
        "macs": _figure(found.macs),
        "inputs": _inputs(graph),
        "options": {name: list(value) if isinstance(value, tuple) else value for name, value in entry.options.items()},
    }


def _figure(count: Dim | None) -> int | None:
    """A number; None when it is not known."""
    return count if isinstance(count, int) else None


def _inputs(graph: Graph) -> dict[str, list[int | str]]:
    """Shapes by name."""
    return {
        value.name: [dim if isinstance(dim, int) else str(dim) for dim in value.type.shape]
        for value in graph.inputs
        if isinstance(value.type, TensorType)
    }


def _text(found: list[dict[str, Any]]) -> str:
    """A line a network, and under those that have one source in common the source."""
    cells = [_cells(entry) for entry in found]
    columns = Columns(_HEADINGS, cells, right=(1, 2), width=_COLUMNS, gap=2)
    lines = columns.head()
    for paper, group in groupby(zip(found, cells, strict=True), key=lambda pair: pair[0]["paper"]):
        lines += [line for _, row in group for line in columns.row(row)]
        lines += textwrap.wrap(paper, _COLUMNS, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    hint = "figures are those of one image at the size shown; NAME{size=64,classes=10} sets options, --json lists them"
    return "\n".join([*lines, "", *textwrap.wrap(hint, _COLUMNS)]) + "\n"


def _cells(entry: dict[str, Any]) -> tuple[str, ...]:
    macs = entry["macs"]
    return (
        entry["name"],
        format_count(entry["params"]),
        "unknown" if macs is None else f"{macs / 1e6:,.1f}",
        ", ".join(format_shape(shape[1:]) for shape in entry["inputs"].values()),
        entry["title"],
    )
