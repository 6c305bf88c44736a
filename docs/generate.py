"""Make the pages that are made from the code: ``python docs/generate.py [--check]``.

With ``--check`` nothing is written, and the exit code is 1 when a page is not what the code says.
"""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
from lint_page import lint_page
from zoo_page import zoo_page

import cnnir
from cnnir.exporters.onnx.mapping import onnx_name, readers, writers
from cnnir.files import write_file
from cnnir.interpreter.kernels import kernels
from cnnir.ops import DEFINED, Op, Role
from cnnir.reports import plan_svg
from cnnir.zoo.pattern import WORDS

FOLDER = Path(__file__).parent

_HEAD = """\
# Ops

Made from the code by `make docs`. One op has one definition, in `cnnir/ops`; each room that works on ops owes a rule
for it or says why not. `Constant` and chains of nodes that only reshape a constant become weights. Any other ONNX op
becomes an opaque node: its types come from ONNX's own inference, its values from ONNX's reference implementation, it
is exported unchanged, and its cost is said to be unknown.

A weight, a bias or a statistic is told from data by its place among the operands; attributes are the fields of the op's
class. *in place*: the result may be written over an operand; *view*: the result is the operand's bytes.

| op | operands | attributes | shares memory | kernel | ONNX, in and out |
|---|---|---|---|---|---|
"""


_DEPARTURES = (
    (
        "ConvTranspose with SAME and a window smaller than its stride",
        "the output is `size * stride`; the cells that nothing reaches lie at the end",
        "the output ends with the last cell that is reached",
    ),
    (
        "MaxPool and AveragePool with SAME and dilations",
        "the output is `ceil(size / stride)`; the window's gaps count when padding is worked out",
        "the gaps do not count, so the output is smaller",
    ),
    (
        "Slice with a negative step and an end of INT32_MAX or INT64_MAX",
        "an end behind the last element: nothing is taken",
        "an open end: down to the first element",
    ),
    (
        "Conv, MaxPool and AveragePool with SAME and a stride larger than the window",
        "nothing is padded, and the first window lies at the beginning",
        "the padding is negative: the map is cropped, or the node refused",
    ),
    ("MaxPool with dilations, over padding alone", "minus infinity", "the least finite number"),
    ("AveragePool with dilations, over padding alone that does not count", "the mean of nothing, NaN", "0"),
    ("LRN with an even size", "one neighbour more above than below", "refused"),
    ("Resize by scales that keep the shape", "positions move by the scale", "the input is copied"),
    ("Resize, cropping or antialiased, where an axis keeps its size", "as where it changes", "that axis is copied"),
    ("LSTM with a clip", "what goes into every activation is clipped", "the cell goes into the last one as it is"),
    ("Clip of floats with an infinite lower bound", "infinity", "the largest finite number"),
)
"""What, the specification's reading, ONNX Runtime's; tests/interpreter/test_departures.py holds them."""

_DIFFERENCES = """
## Where the specification and ONNX Runtime differ

Kernels and shapes follow the text of ONNX's operator specification. ONNX Runtime, which judges the numbers in the
tests, departs from it in these places, and so will a model that is exported and run there:

| op | the specification, and here | ONNX Runtime |
|---|---|---|
"""

_FIRST_WORD = "| INPUT |"
"""The row of the notation's table that stands in the page; the others are made."""

_OPEN = """
Where the specification leaves a question open:

- Floats of fewer than 32 bits are computed in float32 and rounded once, as ONNX Runtime does.
- The mean of integers is exact and rounded towards zero, as in ONNX Runtime.
- A Gemm of integers whose `alpha` or `beta` is a fraction is computed in floats and rounded towards zero, as in ONNX's
  reference implementation; ONNX Runtime has no such Gemm.
- A Resize of opset 10 takes the nearest pixel as Upsample does, rounded down; ONNX Runtime rounds up where the size
  shrinks. Later opsets say which.
- A OneHot of opset 9 or 10, which should have no indices below 0, counts them from the back as in later opsets and in
  ONNX Runtime.
- A recurrent layer leaves the state of a sequence of no steps as it was given; ONNX Runtime makes it 0.
- A Pad that crops more on one side than there is fills the output with the constant, as in ONNX Runtime; in other modes
  it is refused, as there.
- The size of a Resize by scales is the float32 product, rounded down, as in ONNX Runtime: `0.7 * 10` gives 7. For a
  symbolic size there is a formula where no product is rounded (2, 1.5, 0.375), else it is unknown until it is bound.
"""


def ops_page() -> str:
    """The table of all ops, and where others read the specification otherwise."""
    ops = "".join(f"{_row(op)}\n" for op in sorted(DEFINED, key=lambda op: op.__name__))
    departures = "".join(f"| {' | '.join(row)} |\n" for row in _DEPARTURES)
    return _HEAD + ops + _DIFFERENCES + departures + _OPEN


def _row(op: type[Op]) -> str:
    operands = ", ".join(
        f"{operand.name}{'...' if operand.variadic else ''}{'?' if operand.optional else ''}"
        + ("" if operand.role is Role.DATA else f" ({operand.role.value})")
        for operand in op.operands
    )
    attributes = ", ".join(f"`{field.name}`" for field in dataclasses.fields(op))
    shares = "view" if op.view else "in place" if op.in_place else ""
    kernel = "yes" if kernels.find(op) is not None else kernels.exemption(op) or "OWED"
    mapped = writers.find(op) is not None and onnx_name(op.__name__) in readers
    mapping = "yes" if mapped else writers.exemption(op) or "OWED"
    return f"| {op.__name__} | {operands} | {attributes} | {shares} | {kernel} | {mapping} |"


def arena_map() -> str:
    """The map of GoogLeNet's arena, which the README shows."""
    network = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_inception_v1.onnx"
    return plan_svg(cnnir.load(network).plan())


def notation_page() -> str:
    """The page on the notation, with the table of its words as they are."""
    text = (FOLDER / "notation.md").read_text(encoding="utf-8")
    head, rest = text.split(_FIRST_WORD)
    input_row, after = rest.split("\n", 1)[0], rest.split("|\n\n", 1)[1]
    return f"{head}{_FIRST_WORD}{input_row}\n{''.join(map(_word_row, WORDS))}\n{after}"


def _word_row(name: str) -> str:
    word = WORDS[name]
    numbers = [f"{slot} {word.defaults[slot]}" if slot in word.defaults else slot for slot in word.slots]
    options = [f"`{option}`" for option in word.options]
    return f"| {name} | {word.says} | {', '.join(numbers)} | {', '.join(options)} |\n"


PAGES: dict[str, Callable[[], str]] = {
    "ops.md": ops_page,
    "lint.md": lint_page,
    "zoo.md": zoo_page,
    "notation.md": notation_page,
    "images/inception_v1.svg": arena_map,
}


def main() -> int:
    """Write the pages, or compare them."""
    stale = [name for name, make in PAGES.items() if not _is_current(FOLDER / name, make())]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/{name} is not what the code says: run make docs")
        return 1 if stale else 0
    for name in stale:
        (FOLDER / name).parent.mkdir(exist_ok=True)
        write_file(FOLDER / name, PAGES[name]())
        print(f"wrote docs/{name}")
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
