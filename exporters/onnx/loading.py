"""From a file to a graph, brought to another opset when that is asked for."""

from collections.abc import Mapping
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import ModelProto

from cnnir.errors import CnnirError, within_memory
from cnnir.exporters.onnx.conversion import modernized
from cnnir.exporters.onnx.external import Place
from cnnir.exporters.onnx.reader import as_written, note_opaque
from cnnir.exporters.onnx.writer import Writer
from cnnir.graph import Graph
from cnnir.ops import Opaque
from cnnir.weights import Weight

_HINT = "an ONNX model is a binary file, often ending in .onnx"


def load(path: str | Path, *, bind: Mapping[str, int] | None = None, opset: int | None = None) -> Graph:
    """The graph of an ONNX file. Weights stay in the file's own memory or in the files beside it until they are used.

    What nodes compute of shapes to steer others (the target of a Reshape, the pads of a Pad) is worked out, as numbers
    or as symbolic dims, by the pass `fold-settings`; `read` leaves a model as it is written.

    Args:
        path: Of the file.
        bind: Numbers for symbolic dims, ``{"N": 1}``; the others stay open.
        opset: Version of ONNX's own operator set that the graph is brought to, see `convert`; the file's when None.

    Raises:
        CnnirError: ``file-missing``, ``model-syntax`` for a file that is no ONNX model, whatever `read` raises,
            ``symbol-unknown`` and ``constraint`` from binding, or ``opset`` for what cannot be converted.
    """
    file = Path(path)
    model = _parsed(file)
    graph = as_loaded(model if opset is None else modernized(model), Place.of(file))
    note_opaque(graph)
    graph = graph.bind(**bind) if bind else graph
    return graph if opset is None else convert(graph, opset)


def _parsed(file: Path) -> ModelProto:
    """The file's model, its external data left where it is."""
    model = ModelProto()
    try:
        with within_memory(str(file)):
            data = file.read_bytes()
            if not data:
                raise CnnirError("model-syntax", "the file is empty", node=str(file), hint=_HINT)
            model.ParseFromString(data)
    except OSError as error:
        raise CnnirError("file-missing", "the file cannot be read", node=str(file), got=error.strerror) from None
    except (DecodeError, RuntimeError, ValueError):
        message = "the file is no ONNX model, or cut short"
        raise CnnirError("model-syntax", message, node=str(file), hint=_HINT) from None
    if not model.HasField("graph"):
        raise CnnirError("model-syntax", "the file holds no graph, or is cut short", node=str(file), hint=_HINT)
    return model


def as_loaded(model: ModelProto, place: Place | None = None, weights: Mapping[str, Weight] | None = None) -> Graph:
    """What `load` makes of a model: `as_written`, and what nodes compute to steer others is worked out."""
    graph = as_written(model, place, weights or {})
    gone = _fold_settings(graph)
    if gone:
        graph.notes.append(f"{gone} nodes that only computed settings of others are worked out")
    return graph


def _fold_settings(graph: Graph) -> int:
    """How many nodes are gone. The graph is nobody else's yet, so that the pass may work on it and not on a clone."""
    if not any(isinstance(node.op, Opaque) for node in graph.nodes):
        return 0
    from cnnir.passes.base import Journal  # noqa: PLC0415  most files load without any pass
    from cnnir.passes.fold import FoldSettings  # noqa: PLC0415

    before = len(graph.nodes)
    FoldSettings().rewrite(graph, Journal())
    return before - len(graph.nodes)


def convert(graph: Graph, opset: int) -> Graph:
    """The same network in another version of ONNX's own operator set.

    Ops that cnnir defines mean the same in all of them. What it only carries, bodies of control flow too, goes through
    onnx's version converter, node by node. Weights are not read for it.

    Args:
        graph: Left as it is.
        opset: From 7 to the newest that the installed onnx knows.

    Raises:
        CnnirError: ``opset`` naming the first node that cannot be said in that version, or ``onnx-form``.
    """
    writer = Writer(graph, opset, keep_apart=True, convert=True)
    model = writer.model()
    found = as_written(model, weights=writer.apart)
    _fold_settings(found)  # open sizes are written with the arithmetic that computes them
    found.bindings = dict(graph.bindings)
    found.notes = list(dict.fromkeys((*graph.notes, *found.notes)))
    return found
