"""From a graph to files: one, or a model with its weights in a file beside it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from onnx import ModelProto, TensorProto

from cnnir.errors import CnnirError, within_memory
from cnnir.exporters.onnx.external import Place
from cnnir.exporters.onnx.planned import written
from cnnir.exporters.onnx.tensors import raw_bytes, raw_size
from cnnir.files import Contents, write_files
from cnnir.graph import Graph
from cnnir.plan import MemoryPlan
from cnnir.weights import Weight

INLINE_LIMIT = 1_500_000_000
"""Bytes up to which a model is one file unless it is asked for otherwise."""

_LARGEST = 2**31 - 1
"""Bytes of a message that protocol buffers hold."""

_ALIGNMENT = 64
"""Of each weight in a file, in bytes: enough for every element type and for the widest registers."""


def write(
    graph: Graph, *, opset: int | None = None, ir_version: int | None = None, plan: MemoryPlan | None = None
) -> ModelProto:
    """The ONNX model of a graph: names, opset and format version kept, a type for every tensor.

    Args:
        graph: To be written.
        opset: Version of ONNX's own operator set; the graph's when None.
        ir_version: Version of the format; the graph's when None.
        plan: Goes along in the model's metadata, see `save`.

    Raises:
        CnnirError: ``opset`` when an op cannot be said in that version, ``onnx-form`` when it cannot be said at all,
            ``plan-graph`` and the like when the plan is not the graph's, ``plan-export``.
    """
    return written(graph, plan, opset, ir_version)[1]


def save(
    graph: Graph,
    path: str | Path,
    *,
    opset: int | None = None,
    ir_version: int | None = None,
    external_data: bool | None = None,
    plan: MemoryPlan | None = None,
) -> None:
    """Write a graph as an ONNX file, beside the target first and then renamed.

    Weights go from where they are to the file one by one. A graph may be written over the very files that its weights
    are mapped from: the old data stays on the disk for as long as somebody has it mapped.

    Args:
        graph: To be written.
        path: Of the model; external data goes to the same name with ``.data`` added.
        opset: Version of ONNX's own operator set; the graph's when None.
        ir_version: Version of the format; the graph's when None.
        external_data: Whether weights go to a file of their own, all but small ones; when None, they do where the model
            would be larger than 1.5 GB.
        plan: Goes along in the file's metadata, under ``cnnir.plan``, and the nodes stand in its order;
            `cnnir.exporters.onnx.read_plan` gives it back. Without one, a plan that the graph has from its file goes
            along for as long as it holds.

    Raises:
        CnnirError: from `write`; ``file-write``, and no file has been touched; ``external-data`` where the data's name
            is a link out of the folder; ``model-size`` for a model that one file cannot hold; ``memory``.
    """
    write_files(files(graph, path, opset=opset, ir_version=ir_version, external_data=external_data, plan=plan))


def files(
    graph: Graph,
    path: str | Path,
    *,
    opset: int | None = None,
    ir_version: int | None = None,
    external_data: bool | None = None,
    plan: MemoryPlan | None = None,
) -> dict[Path, Contents]:
    """What `save` writes, for those who write other files with it: all or none."""
    target = Path(path)
    writer, model = written(graph, plan, opset, ir_version, keep_apart=True)
    total = model.ByteSize() + sum(raw_size(weight) or 0 for weight in writer.apart.values())
    if total > INLINE_LIMIT if external_data is None else external_data:
        data = _Data(model, writer.apart, f"{target.name}.data")
        if data.weights:
            # A link may stand there already: what is written must be what loading takes.
            Place.of(target).file(data.location, graph.name)
            # The data before the model: it says nothing until a model names it.
            return {target.with_name(data.location): data.pieces(), target: _serialized(model, graph.name)}
    if total > _LARGEST:
        raise _too_large(graph.name, total)
    for tensor in model.graph.initializer:
        if tensor.name in writer.apart:
            with within_memory(tensor.name):
                tensor.raw_data = bytes(raw_bytes(writer.apart[tensor.name]))
    return {target: _serialized(model, graph.name)}


def _serialized(model: ModelProto, name: str) -> bytes:
    size = model.ByteSize()
    if size > _LARGEST:
        raise _too_large(name, size)
    with within_memory(name):
        return model.SerializeToString(deterministic=True)


def _too_large(name: str, size: int) -> CnnirError:
    return CnnirError(
        "model-size", "one file cannot hold the model", node=name, expected=f"at most {_LARGEST} bytes", got=size,
        hint="put its weights beside it: save(..., external_data=True), --external-data",
    )  # fmt: skip


class _Data:
    """The file beside the model; the model's tensors are made to point to it.

    Attributes:
        location: Its name.
        weights: Each with its name and offset.
    """

    def __init__(self, model: ModelProto, apart: Mapping[str, Weight], location: str) -> None:
        self.location = location
        self.weights: list[tuple[str, int, Weight]] = []
        end = 0
        for tensor in model.graph.initializer:
            weight = apart.get(tensor.name)
            if weight is None:
                continue
            offset, length = end + -end % _ALIGNMENT, raw_size(weight) or 0
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
                tensor.external_data.add(key=key, value=value)
            self.weights.append((tensor.name, offset, weight))
            end = offset + length

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The contents, a weight at a time."""
        end = 0
        for name, offset, weight in self.weights:
            with within_memory(name):
                contents = raw_bytes(weight)
            yield bytes(offset - end)
            yield contents
            end = offset + len(contents)
