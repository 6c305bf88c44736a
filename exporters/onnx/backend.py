"""ONNX's own interface for whoever runs models, on our interpreter: ``onnx.backend.base.Backend``.

    rep = cnnir.backend.prepare(onnx.load("network.onnx"))
    scores = rep.run([image])[0]
    rep.foreign  # which nodes onnx's reference implementation computed, and why

The interface fixes the names. What a node says in operands that are fed becomes known when the model runs, so that most
of those nodes run on our own kernels, too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, ValueInfoProto, defs, helper
from onnx.backend.base import Backend, BackendRep, Device, DeviceType, namedtupledict

from cnnir.errors import CnnirError
from cnnir.exporters.onnx.conversion import modernized
from cnnir.exporters.onnx.mapping import readers
from cnnir.exporters.onnx.reader import read
from cnnir.exporters.onnx.types import CODES, value_info
from cnnir.graph import Graph
from cnnir.interpreter import Fallback, run
from cnnir.ops import Opaque
from cnnir.types import DType, SequenceType, TensorType, Type, UnknownType

__all__ = ["CnnirBackend", "CnnirRep", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]


class CnnirRep(BackendRep):
    """A model that can be run again and again.

    Attributes:
        graph: The model as it was read.
        fallback: False to refuse nodes that only onnx's reference implementation computes.
        foreign: Nodes that it computed in the last run, each with the reason.
        foreign_values: Names of the values of the last run that came from it, or rest on such values.
    """

    def __init__(self, graph: Graph, *, fallback: bool = True) -> None:
        self.graph = graph
        self.fallback = fallback
        self.foreign: Mapping[str, str] = {}
        self.foreign_values: Sequence[str] = ()

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The model's outputs, by place and by name.

        Args:
            inputs: Values of the model's inputs in order, or by name; one value for a model with one input.
            kwargs: None has a meaning here.

        Raises:
            CnnirError: ``input-count``, ``fallback-refused``, or from the run.
        """
        record = Fallback(self.fallback)
        found = run(self.graph, self._feed(inputs), fallback=record)
        self.foreign, self.foreign_values = dict(record.nodes), record.values(self.graph)
        outputs = [value.name for value in self.graph.outputs]
        named: tuple[Any, ...] = namedtupledict("Outputs", outputs)(*(found[name] for name in outputs))
        return named

    def _feed(self, inputs: Any) -> dict[str, Any]:
        names = [value.name for value in self.graph.inputs]
        if isinstance(inputs, Mapping):
            return dict(inputs)
        given = [inputs] if isinstance(inputs, np.ndarray | np.generic) else list(inputs)
        if len(given) != len(names):
            raise CnnirError("input-count", "other values than the model has inputs", expected=names, got=len(given))
        return dict(zip(names, given, strict=True))


class CnnirBackend(Backend):
    """The interface; its methods are class methods, also to be had as functions of this module."""

    @classmethod
    def is_compatible(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """True when the model can be read, and each of its nodes computed here if ``fallback`` is False."""
        try:
            graph = read(modernized(model))
        except CnnirError:
            return False
        return cls.supports_device(device) and (kwargs.get("fallback", True) or not _undefined(graph))

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> CnnirRep:
        """Read a model.

        Args:
            model: Of any opset; one from before opset 7 is converted.
            device: ``CPU``.
            kwargs: ``fallback=False`` refuses nodes that have no kernel here when they are run; others mean nothing.

        Raises:
            CnnirError: ``device``, or from the reader.
        """
        if not cls.supports_device(device):
            raise CnnirError("device", "no such device here", expected="CPU", got=device)
        return CnnirRep(read(modernized(model)), fallback=bool(kwargs.get("fallback", True)))

    @classmethod
    def run_model(cls, model: ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        """Read a model and run it once. See `prepare` and `CnnirRep.run`."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype[Any], tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Run one node.

        Args:
            node: Of ONNX's own ops, or of a domain whose version is 1.
            inputs: A value for each input that is there.
            device: ``CPU``.
            outputs_info: Element type and shape of each output, where ONNX's inference does not tell.
            kwargs: ``opset_version``, the newest when absent; and those of `prepare`.

        Raises:
            CnnirError: ``input-count``, or from reading and running.
        """
        names = list(dict.fromkeys(filter(None, node.input)))
        given = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
        if len(given) != len(names):
            raise CnnirError("input-count", "not as many values as the node has inputs", expected=names, got=len(given))
        infos = [value_info(name, _type_of(value)) for name, value in zip(names, given, strict=True)]
        outputs = [name for name in node.output if name]
        known = [helper.make_tensor_value_info(name, CODES[DType.of(np.dtype(dtype))], shape)
                 for name, (dtype, shape) in zip(outputs, outputs_info or (), strict=False)]  # fmt: skip
        declared = known or [ValueInfoProto(name=name) for name in outputs]
        opsets = [helper.make_opsetid("", int(kwargs.pop("opset_version", 0)) or defs.onnx_opset_version())]
        opsets += [helper.make_opsetid(node.domain, 1)] if node.domain else []
        model = helper.make_model(helper.make_graph([node], "node", infos, declared), opset_imports=opsets)
        return cls.run_model(model, given, device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """True for the CPU, whatever its number."""
        try:
            return bool(Device(device).type == DeviceType.CPU)
        except (AttributeError, ValueError):
            return False


def _undefined(graph: Graph) -> bool:
    opaque = [node.op for node in graph.nodes if isinstance(node.op, Opaque)]
    return any(op.domain or op.op_type not in readers for op in opaque)


def _type_of(value: Any) -> Type:
    if isinstance(value, list):
        return SequenceType(_type_of(value[0]) if value else UnknownType())
    array = np.asarray(value)
    return TensorType(DType.of(array.dtype), array.shape)


prepare = CnnirBackend.prepare
run_model = CnnirBackend.run_model
run_node = CnnirBackend.run_node
supports_device = CnnirBackend.supports_device
is_compatible = CnnirBackend.is_compatible
