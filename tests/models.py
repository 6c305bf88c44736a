"""The nine real networks that ship inside the onnx package, and seeded random weights for them."""

import zlib
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from cnnir.graph import Graph, Value
from cnnir.ops import BatchNormalization, Role, Softmax
from cnnir.weights import Array, Fill

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

NAMES = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)


def path(name: str) -> Path:
    """The file of a network."""
    return FOLDER / f"light_{name}.onnx"


def expected(name: str) -> NDArray[np.float32]:
    """The output that ships with the file, for the input of `shipped_input`."""
    tensor = onnx.TensorProto.FromString((FOLDER / f"light_{name}_output_0.pb").read_bytes())
    return onnx.numpy_helper.to_array(tensor)


def shipped_input(graph: Graph) -> dict[str, NDArray[np.float32]]:
    """What the shipped outputs belong to: 0, 1, 2, ... divided by their number."""
    (value,) = graph.inputs
    shape = tuple(int(str(dim)) for dim in value.type.shape)  # type: ignore[union-attr]
    count = int(np.prod(shape))
    return {value.name: (np.arange(count).reshape(shape) / count).astype(np.float32)}


def random_input(graph: Graph, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Standard-normal inputs."""
    return {
        value.name: np.random.default_rng([seed, zlib.crc32(value.name.encode())])
        .standard_normal(tuple(int(str(dim)) for dim in value.type.shape))  # type: ignore[union-attr]
        .astype(np.float32)
        for value in graph.inputs
    }


def with_random_weights(graph: Graph, seed: int = 0) -> Graph:
    """A copy whose constant weights are drawn from a seed, scaled by He's rule so that activations keep their size."""
    copy = graph.clone()
    for value in copy.weights:
        if isinstance(value.weight, Fill):
            value.weight = Array.of(_draw(value, np.random.default_rng([seed, zlib.crc32(value.name.encode())])))
    return copy


def _draw(value: Value, generator: np.random.Generator) -> NDArray[np.float32]:
    assert value.weight is not None
    shape = value.weight.shape
    node, index = value.uses[0]
    role = node.op.operand(index).role
    if isinstance(node.op, BatchNormalization):
        low, high = {1: (0.8, 1.2), 4: (0.5, 1.5)}.get(index, (-0.1, 0.1))
        return generator.uniform(low, high, shape).astype(np.float32)
    if role is Role.WEIGHT and len(shape) >= 2:
        fan_in = int(np.prod(shape[1:]))
        return generator.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
    if role is Role.DATA:  # scale or shift of a batch normalisation that was written as Mul and Add
        return generator.uniform(0.8, 1.2, shape).astype(np.float32)
    return generator.normal(0, 0.05, shape).astype(np.float32)


def before_softmax(graph: Graph) -> list[str]:
    """Names of the outputs, and of what goes into a final Softmax."""
    names = [value.name for value in graph.outputs]
    producers = (value.producer for value in graph.outputs)
    names += [node.operands[0].name for node in producers if node is not None and isinstance(node.op, Softmax)]
    return names
