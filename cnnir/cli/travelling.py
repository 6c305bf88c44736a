"""How a plan leaves: the files that ``cnnir plan`` writes for those who use it elsewhere."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from cnnir.errors import CnnirError
from cnnir.exporters import onnx
from cnnir.exporters.c import header
from cnnir.exporters.tflm import offline_plan
from cnnir.files import Contents
from cnnir.graph import Graph
from cnnir.plan import MemoryPlan


def add_arguments(parser: ArgumentParser) -> None:
    """The options that say where the plan comes from, and where it goes beside the result."""
    parser.add_argument("--stored", action="store_true", help="the plan that the model's file carries, not a new one")
    parser.add_argument("--onnx", metavar="FILE", help="write the network with the plan in it, its nodes in this order")
    parser.add_argument("--header", metavar="FILE.h", help="write the plan as a C header: offsets, steps, checks")
    parser.add_argument(
        "--tflm", metavar="FILE", help="write the offline plan of TensorFlow Lite Micro, and FILE.csv: what lies where"
    )
    parser.add_argument(
        "--tflm-tensors", metavar="NAMES.txt", help="names of the .tflite file's tensors in its order, one a line"
    )


def files_of(graph: Graph, plan: MemoryPlan, options: Namespace) -> dict[Path, Contents]:
    """What the options ask for, by file.

    Raises:
        CnnirError: ``usage`` for two of them under one name, or names of tensors without a plan to write them in;
            ``plan-form`` and the like from who cannot say the plan.
    """
    made: list[tuple[Path, Contents]] = []
    if options.onnx:
        made += onnx.files(graph, options.onnx, plan=plan).items()
    if options.header:
        made.append((Path(options.header), header(plan).encode()))
    if options.tflm_tensors and not options.tflm:
        raise CnnirError("usage", "--tflm-tensors says whose tensors a plan is for", hint="give --tflm FILE as well")
    if options.tflm:
        names = _lines(Path(options.tflm_tensors)) if options.tflm_tensors else None
        found = offline_plan(plan, names)
        made.append((Path(options.tflm), found.to_bytes()))
        made.append((Path(f"{options.tflm}.csv"), found.table().encode()))
    files: dict[Path, Contents] = {}
    for path, contents in made:
        if path in files:
            raise CnnirError("usage", "two results cannot go into one file", got=path)
        files[path] = contents
    return files


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()  # some editors put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise CnnirError("file-read", "the names of the tensors cannot be read", node=str(path), got=error) from None
