"""What a model says and cnnir has no use for: taken along in `Provenance.extras`, and put back.

The key of an extra is its kind, a dot, and the part's number or the name of the value that it belongs to.
"""

from collections.abc import Callable, Iterable, Mapping

from google.protobuf.message import Message
from onnx import GraphProto, ModelProto, TensorProto, TypeProto, ValueInfoProto

_LISTS: Mapping[str, Callable[[ModelProto], Iterable[Message]]] = {
    "training_info": lambda model: model.training_info,
    "configuration": lambda model: model.configuration,
    "quantization_annotation": lambda model: model.graph.quantization_annotation,
    "graph_metadata": lambda model: model.graph.metadata_props,
    "function": lambda model: model.functions,
}
"""For each kind of part where a model holds its parts."""

_VALUE, _TENSOR = "value", "tensor"


def taken_along(model: ModelProto) -> dict[str, bytes]:
    """The extras of a model."""
    extras = {
        f"{kind}.{index}": part.SerializeToString(deterministic=True)
        for kind, parts in _LISTS.items()
        for index, part in enumerate(parts(model))
    }
    for info in _infos(model.graph):
        said = ValueInfoProto(doc_string=info.doc_string, metadata_props=info.metadata_props)
        _copy_denotations(info.type, said.type)
        _keep(extras, _VALUE, info.name, said)
    for tensor in model.graph.initializer:
        _keep(
            extras, _TENSOR, tensor.name,
            TensorProto(doc_string=tensor.doc_string, metadata_props=tensor.metadata_props),
        )  # fmt: skip
    return extras


def _keep(extras: dict[str, bytes], kind: str, name: str, said: ValueInfoProto | TensorProto) -> None:
    # Empty parts that are set say nothing either.
    if not said.doc_string:
        said.ClearField("doc_string")
    if isinstance(said, ValueInfoProto) and not said.type.ByteSize():
        said.ClearField("type")
    if said.ByteSize():
        extras[f"{kind}.{name}"] = said.SerializeToString(deterministic=True)


def put_back(model: ModelProto, extras: Mapping[str, bytes]) -> None:
    """Put the extras into a model that is complete otherwise; what their values are no longer there for is left out."""
    infos: dict[str, list[ValueInfoProto]] = {}
    for info in _infos(model.graph):
        infos.setdefault(info.name, []).append(info)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for key, data in extras.items():
        kind, _, name = key.partition(".")
        if kind in _LISTS:
            _LISTS[kind](model).add().ParseFromString(data)  # type: ignore[attr-defined]
        elif kind == _VALUE:
            said = ValueInfoProto.FromString(data)
            for info in infos.get(name, ()):
                _copy_texts(said, info)
                _copy_denotations(said.type, info.type)
        elif kind == _TENSOR and name in tensors:
            _copy_texts(TensorProto.FromString(data), tensors[name])


def _infos(graph: GraphProto) -> Iterable[ValueInfoProto]:
    return (*graph.value_info, *graph.input, *graph.output)


def _copy_texts(source: ValueInfoProto | TensorProto, target: ValueInfoProto | TensorProto) -> None:
    if source.doc_string:
        target.doc_string = source.doc_string
    target.metadata_props.extend(source.metadata_props)


def _copy_denotations(source: TypeProto, target: TypeProto) -> None:
    """Words for what a tensor and its axes mean; those of axes where the rank is still the same."""
    if source.denotation:
        target.denotation = source.denotation
    words = [dim.denotation for dim in source.tensor_type.shape.dim]
    if not any(words):
        return
    axes = target.tensor_type.shape.dim
    if not axes and not target.tensor_type.elem_type:
        for _ in words:
            axes.add()
    if len(axes) == len(words):
        for axis, word in zip(axes, words, strict=True):
            if word:
                axis.denotation = word
