"""From what the user names to a graph, sized and bound as asked."""

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from cnnir import zoo
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import load
from cnnir.graph import Graph
from cnnir.zoo.pattern import from_pattern

_ZOO, _PATTERN, _PATTERN_FILE = "zoo:", "pattern:", ".cnn"


def open_model(options: Namespace, *, notes: bool = True, opset: int | None = None) -> Graph:
    """The graph that ``MODEL``, ``--size`` and ``--bind`` ask for.

    Args:
        options: The arguments.
        notes: Whether the graph's notes go to standard error; a verb that shows them elsewhere says no.
        opset: Version of ONNX's own operator set that a file's graph is converted to.

    Raises:
        CnnirError: Whatever loading, resizing or binding raises.
    """
    graph = _named(options.model, opset)
    if notes:
        for note in graph.notes:
            sys.stderr.write(f"note: {note}\n")
    if options.size is not None:
        graph = graph.apply("set-size", size="x".join(map(str, options.size))).graph
    if options.bind:
        graph = graph.bind(**dict(options.bind))
    return graph


def spelled(options: Namespace) -> str:
    """How a command line names that graph: quoted for a shell, with its size and its dims."""
    words = [options.model]
    if options.size is not None:
        words += ["--size", "x".join(map(str, options.size))]
    for name, value in options.bind:
        words += ["--bind", f"{name}={value}"]
    return shlex.join(words)


def _named(model: str, opset: int | None) -> Graph:
    if model.startswith(_ZOO):
        return zoo.build(model.removeprefix(_ZOO))
    if model.startswith(_PATTERN):
        return from_pattern(model.removeprefix(_PATTERN))
    path = Path(model)
    if not path.exists():
        hint = f"there is no such file; a network of the zoo is named with {_ZOO} before it, see: cnnir zoo list"
        raise CnnirError("file-missing", "the model cannot be found", node=model, hint=hint)
    return _pattern(path) if path.suffix == _PATTERN_FILE else load(model, opset=opset)


def _pattern(path: Path) -> Graph:
    """The network of a pattern in a file, named as the file."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise CnnirError("file-read", "the pattern cannot be read", node=str(path), got=error) from error
    return from_pattern(text, name=path.stem)
