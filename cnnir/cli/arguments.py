"""The arguments of every verb."""

import argparse
from collections.abc import Callable
from typing import NoReturn

import cnnir
from cnnir.cli import cut, diff, lint, place, ranges, rewrite, run, simplify, travelling, verbs, whatif, workspace, zoo
from cnnir.cli.parsing import whole
from cnnir.errors import CnnirError
from cnnir.passes.memory import Memory
from cnnir.reports.text import COLUMNS
from cnnir.units import parse_size

_EXIT_CODES = "exit codes: 0 ok, 1 does not fit, 2 bad input, 3 unknown"

_EPILOG = """\
MODEL is an ONNX file, zoo:NAME for a classic network (zoo:vgg16), or a pattern: a .cnn file, or pattern:TEXT
(pattern:'INPUT[32x32x3] -> [[CONV3-64 -> RELU]*2 -> POOL2]*3 -> FC-10').

exit codes: 0 ok, 1 does not fit, differs or has findings, 2 bad input, 3 unknown

examples:
  cnnir zoo list                            the classic networks by name
  cnnir table zoo:vgg16                     the classic table, row by row
  cnnir plan net.onnx --svg map.svg         the memory plan, and a map of the arena
  cnnir plan net.onnx --why                 what fills the memory at the peak, and what would lower it
  cnnir plan net.onnx --bind N=1 --json     a plan for batch 1, as JSON
  cnnir plan net.onnx --range H=32:512      a plan for all these heights, and the arena as a formula
  cnnir plan net.onnx --budget 512KiB       does it fit: a plan, or the step that proves it does not
  cnnir plan net.onnx --pool sram=512KiB --pool dram@1   what to spill, so that least moves
  cnnir plan net.onnx --onnx planned.onnx   the network with the plan in it; --stored reads it back
  cnnir run net.onnx --seed 0 --planned     a run on random input, inside the planned arena
  cnnir run net.onnx --seed 0 --fast        compiled: the fastest plan, every call prepared
  cnnir export net.onnx --opset 21 -o new.onnx
  cnnir whatif net.onnx --size 224x224,384x384 --batch 1,8 --dtype float16
  cnnir simplify net.onnx --check values -o small.onnx
  cnnir rewrite net.onnx -p fold --check values -o folded.onnx
  cnnir lint zoo:vgg16                      where a choice is unusual or wasteful, and why
  cnnir place buffers.csv --capacity 1MiB -o placed.csv
  cnnir cut net.onnx --to conv5 -o head.onnx
  cnnir diff net.onnx new.onnx --numeric    what differs, what it costs, how far the outputs are apart
"""


class _Parser(argparse.ArgumentParser):
    """Bad arguments are bad input like any other: one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise CnnirError("usage", message, hint=f"see {self.prog} --help")


def make_parser() -> argparse.ArgumentParser:
    """The parser; ``verb`` in its result is what to call."""
    parser = _Parser(
        "cnnir",
        description="A planning compiler for convolutional networks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cnnir {cnnir.__version__}")
    parsers = parser.add_subparsers(title="verbs", metavar="VERB", required=True, parser_class=_Parser)

    table = _verb(parsers, "table", verbs.table, "print the per-layer table: shapes, memory, weights, MACs")
    table.add_argument("--all", action="store_true", help="also rows that take no memory, weights or MACs of their own")
    table.add_argument(
        "--columns", metavar="NAMES", help=f"the columns wanted, separated by commas, of {', '.join(COLUMNS)}"
    )

    plan = _verb(parsers, "plan", verbs.plan, "plan the activation memory, and prove the plan")
    plan.add_argument(
        "--steps", action="store_true", help="print every step: what it writes, where, and what lives then"
    )
    plan.add_argument(
        "--why", action="store_true", help="tell what fills the memory at the peak, and what would lower it"
    )
    plan.add_argument("--svg", metavar="FILE", help="draw a map of the arena")
    plan.add_argument(
        "--order", choices=("auto", "file", "optimal"), default="auto",
        help="the file's, the least peak that a limited search finds, or a longer one (default: auto)",
    )  # fmt: skip
    plan.add_argument(
        "--fuse", choices=("none", "epilogues", "steps", "aggressive"), default="none",
        help="a step a node; or with what is applied to its results; or all fused steps; or chains of convolutions too "
        "(default: none)",
    )  # fmt: skip
    plan.add_argument(
        "--rewrite", action="store_true",
        help="push pooling, and with chains convolutions, through concatenations first where that is lower",
    )  # fmt: skip
    plan.add_argument("--concat", action="store_true", help="write into the slices of a concatenation, fused or not")
    plan.add_argument("--strided", action="store_true", help="slices that are not contiguous need no copy either")
    plan.add_argument("--no-views", action="store_true", help="copy what is cut out of a value, or concatenated")
    plan.add_argument(
        "--alignment", type=whole("bytes"), default=64, metavar="BYTES", help="of each offset (default: 64)"
    )
    plan.add_argument(
        "--in-place", action="append", default=[], metavar="NODE",
        help="write results over operands at the named nodes alone; may be repeated",
    )  # fmt: skip
    plan.add_argument("--no-in-place", action="store_true", help="never write a result over an operand")
    plan.add_argument("--no-inputs", action="store_true", help="the graph's inputs lie outside the arena")
    plan.add_argument("--no-outputs", action="store_true", help="the graph's outputs lie outside the arena")
    plan.add_argument(
        "--budget", "--capacity", dest="budget", type=_size, metavar="SIZE",
        help="does it fit into so much (512KiB, 2MiB)? exit with 1 when it is proved not to, 3 when that is not known",
    )  # fmt: skip
    plan.add_argument(
        "--layout", choices=("rows", "channels-last"), default="rows",
        help="how maps lie: as ONNX has them, or with the channels of a place side by side (default: rows)",
    )  # fmt: skip
    plan.add_argument(
        "--goal", type=_goal, default="memory", metavar="GOAL",
        help="by a cost profile: memory, the least arena, where time is bought with what is free; time, whatever that "
        "takes; or the most that the arena may have for it, 2MiB (default: memory)",
    )  # fmt: skip
    workspace.add_arguments(plan)
    plan.add_argument(
        "--pool", action="append", default=[], type=_memory, metavar="NAME[=SIZE][@COST]",
        help="a memory to lie in, its capacity, and what a byte costs that is moved there; for each memory",
    )  # fmt: skip
    plan.add_argument("--weights", metavar="NAME", help="the memory that holds the weights, which take from it")
    planning = (
        "order", "fuse", "rewrite", "concat", "strided", "no_views", "alignment", "in_place", "no_in_place",
        "no_inputs", "no_outputs", "pool", "weights", "layout", "goal", *workspace.OPTIONS,
    )  # fmt: skip
    plan.set_defaults(planning={name: plan.get_default(name) for name in planning})
    travelling.add_arguments(plan)
    ranges.add_arguments(plan)

    run.add_arguments(_verb(parsers, "run", run.run, "run the network in NumPy"))

    export = _verb(parsers, "export", verbs.export, "write the network in another form")
    export.add_argument(
        "--to", choices=("onnx", "text", "pattern"), default="onnx", metavar="FORMAT", help="onnx, text or pattern"
    )
    export.add_argument(
        "--opset", type=whole("an opset"), metavar="N", help="write this opset (default: the file's own)"
    )
    export.add_argument(
        "--ir-version", type=whole("a version"), metavar="N", help="raise the version of the file format"
    )
    export.add_argument(
        "--external-data",
        action="store_true",
        default=None,
        help="write large weights into a file beside the model (default: where it would be larger than 1.5 GB)",
    )
    export.add_argument(
        "--convert", action="store_true", help="let onnx's converter bring what cnnir only carries to that opset"
    )

    words = "find choices that are unusual or wasteful, with a reason and a fix"
    lint.add_arguments(_verb(parsers, "lint", lint.lint, words, needs_model=False))

    cut.add_arguments(_verb(parsers, "cut", cut.cut, "cut a sub-network out, as a model of its own"))

    diff.add_arguments(_verb(parsers, "diff", diff.diff, "compare two networks: nodes, weights, cost, plan, values"))

    words = "work out other sizes, batches and element types: memory, peak, MACs"
    whatif.add_arguments(_verb(parsers, "whatif", whatif.grid, words, one_size=False))

    words = "the same network in fewer nodes"
    simplify.add_arguments(_verb(parsers, "simplify", simplify.simplify, words))

    rewrite.add_arguments(_verb(parsers, "rewrite", rewrite.rewrite, "run passes, and write what comes out"))

    words = "place the buffers of another compiler: MiniMalloc's CSV in, the same with offsets out"
    placing = parsers.add_parser("place", help=words, description=f"{words[0].upper()}{words[1:]}.", epilog=_EXIT_CODES)
    placing.set_defaults(verb=place.place_file)
    place.add_arguments(placing)

    words = "show which passes there are"
    passes = parsers.add_parser("passes", help=words, description=f"{words[0].upper()}{words[1:]}.")
    passes.set_defaults(verb=rewrite.passes)
    rewrite.add_passes_arguments(passes)

    words = "show which networks there are by name"
    networks = parsers.add_parser("zoo", help=words, description=f"{words[0].upper()}{words[1:]}.")
    networks.set_defaults(verb=zoo.networks)
    zoo.add_arguments(networks)
    return parser


Subparsers = argparse._SubParsersAction


def _verb(
    parsers: "Subparsers[_Parser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    words: str,
    *,
    one_size: bool = True,
    needs_model: bool = True,
) -> argparse.ArgumentParser:
    parser = parsers.add_parser(
        name,
        help=words,
        description=f"{words[0].upper()}{words[1:]}.",
        epilog=_EPILOG.split("\n\nexamples", maxsplit=1)[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(verb=run)
    count = None if needs_model else "?"
    parser.add_argument(
        "model", metavar="MODEL", nargs=count, help="an ONNX file, a .cnn file, zoo:NAME or pattern:TEXT"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write the result there")
    parser.add_argument("--json", action="store_true", help=f"the result as JSON (cnnir.{name}/1)")
    parser.add_argument(
        "--bind", action="append", default=[], type=_binding, metavar="N=1", help="bind a symbolic dim; may be repeated"
    )
    if one_size:
        parser.add_argument(
            "--size", type=_height_width, metavar="HxW", help="another height and width of the input image"
        )
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    return parser


def _binding(text: str) -> tuple[str, int]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip().isascii() or not value.strip().isdigit():
        raise argparse.ArgumentTypeError(f"expected NAME=NUMBER, got {text!r}")
    return name.strip(), int(value)


def _height_width(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"expected HxW, for instance 224x224, got {text!r}")
    return int(parts[0]), int(parts[1])


def _goal(text: str) -> str | int:
    if text in ("memory", "time"):
        return text
    try:
        return parse_size(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected memory, time, or a size such as 2MiB, got {text!r}") from None


def _memory(text: str) -> Memory:
    rest, _, cost = text.partition("@")
    name, equals, size = rest.partition("=")
    return Memory(name.strip(), _size(size) if equals else None, whole("a cost of a byte")(cost) if cost else 0)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a size such as 4096, 512KiB or 2MiB, got {text!r}") from None
