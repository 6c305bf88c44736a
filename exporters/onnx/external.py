"""Weights in files beside the model: ONNX's external data, mapped when the model is read and seldom read whole."""

import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from onnx import AttributeProto, GraphProto, NodeProto, SparseTensorProto, TensorProto

from cnnir.errors import CnnirError
from cnnir.types import DType
from cnnir.weights import FileRange, Weight


@dataclass(frozen=True)
class Place:
    """Where the data of a model may lie: in its folder, and in that of the file which a link leads to.

    Attributes:
        folder: The folder that locations are relative to.
        home: The folder of the model file itself, where `folder` holds a link to it.
    """

    folder: Path
    home: Path
    _found: dict[str, Path] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, file: Path) -> "Place":
        """Beside a model file."""
        return cls(file.parent, file.resolve().parent)

    def file(self, location: str, name: str) -> Path:
        """The file of a location.

        Args:
            location: As the model has it.
            name: Of the weight, for messages.

        Raises:
            CnnirError: ``external-data`` when it lies elsewhere, by its name or since a link leads there.
        """
        if location not in self._found:
            path = self.folder / PurePosixPath(location)
            real = Path(os.path.realpath(path)) if _stays(location) else None
            if real is None or not any(real.is_relative_to(root.resolve()) for root in (self.folder, self.home)):
                raise CnnirError(
                    "external-data", "the data lies outside of the model's folder", node=name, got=repr(location),
                    hint="a model may only name files beside it, or in folders there",
                )  # fmt: skip
            self._found[location] = path
        return self._found[location]


def _stays(location: str) -> bool:
    """Whether a location, read as any system would read it, stays in the folder."""
    paths = (PurePosixPath(location), PureWindowsPath(location))
    return "\0" not in location and all(path.name and not path.anchor and ".." not in path.parts for path in paths)


def mapped_weight(tensor: TensorProto, dtype: DType, shape: tuple[int, ...], place: Place | None) -> Weight:
    """The weight whose contents lie in another file.

    Raises:
        CnnirError: ``external-data`` when there is no such file, or other bytes in it than the weight needs.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if place is None:
        raise CnnirError(
            "external-data", "its data lies in another file, and where the model lies is not known", node=tensor.name,
            got=repr(location), hint="load the model from its file, with the data beside it",
        )  # fmt: skip
    path = place.file(location, tensor.name)
    try:
        found = path.stat()
    except OSError:
        found = None
    if found is None or not stat.S_ISREG(found.st_mode):
        raise CnnirError(
            "external-data", "the file with the weight's data is missing", node=tensor.name, got=repr(location),
            hint="put it beside the model",
        )  # fmt: skip
    needed = -(-math.prod(shape) * (dtype.bits or 0) // 8)
    offset, length = (_number(entries, key, default, tensor) for key, default in (("offset", 0), ("length", needed)))
    if dtype.bits is None or length != needed or offset + length > found.st_size:
        raise CnnirError(
            "external-data", f"{location} does not hold the weight's bytes", node=tensor.name,
            expected=f"{needed} bytes at {offset}", got=f"{length} bytes in a file of {found.st_size}",
            hint="the file may be cut short, or belong to another model",
        )  # fmt: skip
    return FileRange(dtype, shape, path, offset, length)


def _number(entries: dict[str, str], key: str, default: int, tensor: TensorProto) -> int:
    """A number of bytes; 18 digits are an exbibyte, more are no file's."""
    text = entries.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise CnnirError("external-data", f"its {key} is no number of bytes", node=tensor.name, got=repr(text[:40]))
    return int(text)


def external_tensors(node: NodeProto) -> Iterator[TensorProto]:
    """The tensors in a node's attributes, those of its subgraphs too, whose contents lie in other files."""
    for attribute in node.attribute:
        yield from (tensor for tensor in _tensors(attribute) if tensor.data_location == TensorProto.EXTERNAL)


def _tensors(attribute: AttributeProto) -> Iterator[TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    if attribute.HasField("sparse_tensor"):
        yield from _parts(attribute.sparse_tensor)
    for sparse in attribute.sparse_tensors:
        yield from _parts(sparse)
    if attribute.HasField("g"):
        yield from _body_tensors(attribute.g)
    for body in attribute.graphs:
        yield from _body_tensors(body)


def _body_tensors(body: GraphProto) -> Iterator[TensorProto]:
    yield from body.initializer
    for sparse in body.sparse_initializer:
        yield from _parts(sparse)
    for node in body.node:
        for attribute in node.attribute:
            yield from _tensors(attribute)


def _parts(sparse: SparseTensorProto) -> tuple[TensorProto, TensorProto]:
    return sparse.values, sparse.indices
