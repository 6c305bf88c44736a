"""How a plan leaves: the files that ``cnnir plan`` writes for those who use it elsewhere."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from cnnir.exporters import onnx
from cnnir.files import Contents
from cnnir.graph import Graph
from cnnir.plan import MemoryPlan


def add_arguments(parser: ArgumentParser) -> None:
    """The options that say where the plan comes from, and where it goes beside the result."""
    parser.add_argument("--stored", action="store_true", help="the plan that the model's file carries, not a new one")
    parser.add_argument("--onnx", metavar="FILE", help="write the network with the plan in it, its nodes in this order")


def files_of(graph: Graph, plan: MemoryPlan, options: Namespace) -> dict[Path, Contents]:
    """What the options ask for, by file."""
    files: dict[Path, Contents] = {}
    if options.onnx:
        files |= onnx.files(graph, options.onnx, plan=plan)
    return files
