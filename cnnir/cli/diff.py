"""``cnnir diff``: how one network differs from another."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from cnnir.cli.models import open_model
from cnnir.cli.output import emit, folded, limit, wants
from cnnir.compare import diff as compare
from cnnir.compare import diff_text


def add_arguments(parser: ArgumentParser) -> None:
    """What ``cnnir diff`` takes besides what every verb takes."""
    parser.add_argument("other", metavar="OTHER", help="the network to compare with, an ONNX file or zoo:NAME")
    parser.add_argument("--numeric", action="store_true", help="run both on random input, and compare the outputs")
    parser.add_argument("--seed", type=_seed, metavar="N", default=0, help="of that input (default: 0)")


def diff(options: Namespace) -> int:
    """``cnnir diff``: 0 when the networks are equal, 1 when they differ."""
    before = open_model(options, notes=False)
    after = open_model(Namespace(**{**vars(options), "model": options.other}), notes=False)
    found = compare(before, after, seed=options.seed if options.numeric else None)
    as_json = options.json or wants(options.output, "json")
    columns = limit(options.output)
    text = found.to_json() if as_json else folded(diff_text(found, columns).splitlines(), columns)
    emit(text, options.output)
    return 0 if found.equal else 1


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError(f"expected a seed, a whole number, got {text!r}")
    return int(text)
