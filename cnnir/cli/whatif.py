"""``cnnir whatif``: what a network would take at other sizes, batches and element types."""

import argparse

from cnnir.cli.models import open_model
from cnnir.cli.output import FINDINGS, OK, UNKNOWN, emit, wants, width
from cnnir.reports.grid import whatif_text
from cnnir.reports.whatif import whatif


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``cnnir whatif``."""
    parser.add_argument(
        "--size", action="extend", type=_list, default=[], metavar="HxW,...", help="heights and widths of the image"
    )
    parser.add_argument("--batch", action="extend", type=_list, default=[], metavar="N,...", help="images at once")
    parser.add_argument(
        "--dtype",
        action="extend",
        type=_list,
        default=[],
        metavar="TYPE,...",
        help="element types of the activations (float16,int8)",
    )


def grid(options: argparse.Namespace) -> int:
    """``cnnir whatif``: 0, 1 when the network takes none of the cases, 3 when a figure is not known."""
    sizes, options.size = options.size, None  # each is a case, none is the model's
    graph = open_model(options)
    found = whatif(graph, sizes=sizes, batches=options.batch, dtypes=options.dtype)
    if options.json or wants(options.output, "json"):
        emit(found.to_json(), options.output)
    else:
        emit(whatif_text(found, width=width(options.output)), options.output)
    if all(case.arena_bytes is None and case.macs is None for case in found.cases):
        return FINDINGS
    return UNKNOWN if any(case.macs is not None and case.reason for case in found.cases) else OK


def _list(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise argparse.ArgumentTypeError(f"expected values separated by commas, got {text!r}")
    return parts
