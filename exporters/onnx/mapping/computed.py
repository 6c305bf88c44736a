"""Lists of dims that a file can only say how to compute: from those of what a node reads, or of the graph's inputs."""

from collections.abc import Sequence
from itertools import groupby

from cnnir.dims import Dim, is_known
from cnnir.exporters.onnx.mapping.attributes import Unmapped
from cnnir.exporters.onnx.mapping.base import Target, int64
from cnnir.graph import Node, Value
from cnnir.ops.formulas import Axis, Combined, Formula, formula
from cnnir.types import DType, TensorType


def dims_operand(target: Target, node: Node, key: str, dims: Sequence[Dim]) -> str:
    """The name of a vector of dims for the operand `key` of a node, computed in front of it where one is open.

    What is computed from equal dims is equal: a network that says the same many times computes it once.

    Raises:
        Unmapped: For a dim that nothing at hand says.
    """
    numbers = [dim for dim in dims if is_known(dim)]
    if len(numbers) == len(dims):
        return target.constant(node, key, int64(numbers))
    arithmetic = _Arithmetic(target, node)
    said = tuple(arithmetic.formula(dim) for dim in dims)
    return target.once((arithmetic.dims, said), lambda: arithmetic.row(said))


class _Arithmetic:
    """Vectors of numbers, computed in front of a node from the dims of what it reads and of the graph's inputs."""

    def __init__(self, target: Target, node: Node) -> None:
        self.target = target
        self.node = node
        self.places = [
            (value, axis)
            for value in dict.fromkeys((*node.operands[:1], *target.graph_inputs))
            if isinstance(value.type, TensorType)
            for axis in range(value.type.rank)
        ]
        """Where each of the dims stands, those of the operand first."""
        self.dims = tuple(_dim(value, axis) for value, axis in self.places)

    def formula(self, dim: Dim) -> Formula:
        """How a dim is computed."""
        found = formula(dim, self.dims)
        if found is None:
            shown = ", ".join(dict.fromkeys(str(one) for one in self.dims if not is_known(one)))
            raise Unmapped(f"the open size {dim} cannot be computed from what is at hand, [{shown}]; bind it")
        return found

    def row(self, said: Sequence[Formula]) -> str:
        """The name of all of them behind each other; numbers that stand together are one constant, axes one Gather."""
        runs = [list(run) for _, run in groupby(said, key=self._kind)]
        vectors = [name for run in runs for name in self._run(run)]
        return vectors[0] if len(vectors) == 1 else self._assist("Concat", vectors, "target", len(said), axis=0)

    def _kind(self, said: Formula) -> object:
        return self.places[said.index][0] if isinstance(said, Axis) else type(said)

    def _run(self, run: Sequence[Formula]) -> list[str]:
        """The vectors of neighbours of one kind."""
        numbers = [part for part in run if isinstance(part, int)]
        places = [part.index for part in run if isinstance(part, Axis)]
        if numbers:
            return [self.target.constant(self.node, f"shape.{'.'.join(map(str, numbers))}", int64(numbers))]
        return [self._gathered(places)] if places else [self._vector(part) for part in run]

    def _vector(self, said: Formula) -> str:
        """The name of the one number that a formula gives; the same one for the same formula."""
        return self.target.once((self.dims, said), lambda: self._made(said))

    def _made(self, said: Formula) -> str:
        if not isinstance(said, Combined):
            (name,) = self._run([said])
            return name
        first, *others = (self._vector(part) for part in said.parts)
        for other in others:
            first = self._assist(said.op, [first, other], said.op.lower(), 1)
        return first

    def _gathered(self, places: list[int]) -> str:
        return self.target.once((self.dims, tuple(places), "axes"), lambda: self._gather(places))

    def _gather(self, places: list[int]) -> str:
        value = self.places[places[0]][0]
        axes = [self.places[place][1] for place in places]
        key = ".".join(map(str, axes))
        indices = self.target.constant(self.node, f"axis.{key}", int64(axes))
        return self._assist("Gather", [self._shape(value), indices], f"dim.{key}", len(axes), axis=0)

    def _shape(self, value: Value) -> str:
        assert isinstance(value.type, TensorType)  # noqa: S101  the places are of nothing else
        shape, key = value.type.shape, "operand_shape" if value in self.node.operands else "input_shape"
        name = self.target.name(value)
        return self.target.once((shape, "shape"), lambda: self._assist("Shape", [name], key, len(shape)))

    def _assist(self, op_type: str, inputs: Sequence[str], key: str, size: int, *, axis: int | None = None) -> str:
        name = self.target.temporary(self.node, key, TensorType(DType.INT64, (size,)))
        self.target.assist(self.node, op_type, inputs, [name], axis=axis)
        return name


def _dim(value: Value, axis: int) -> Dim:
    assert isinstance(value.type, TensorType)  # noqa: S101  the places are of nothing else
    return value.type.shape[axis]
