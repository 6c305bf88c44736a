"""An ONNX model in the making: nodes as a file holds them, and the array of every value as it comes to be.

Nothing here goes through this project's reader or writer. A `Step` is a node with the arrays of its operands: it can be
judged by itself, by whoever computes one node, before it becomes a part of the `Sketch`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tests.interpreter.drawing import AnyArray, Draw

Kind: TypeAlias = Literal["data", "weight", "setting"]

FLOATS: tuple[Any, ...] = (*(np.float32,) * 8, np.float64, np.float16)
"""Element types as they are drawn: mostly those of networks."""

INTEGERS: tuple[Any, ...] = (np.int64, np.int32, np.int8, np.uint8)
NUMBERS: tuple[Any, ...] = (*FLOATS * 3, *INTEGERS)
EVERY: tuple[Any, ...] = (*NUMBERS * 2, np.bool_)

LARGEST = 4096
"""Elements of a value, so that a model takes milliseconds."""


@dataclass(frozen=True, eq=False)
class Operand:
    """What a node reads; the same object for the same value.

    Attributes:
        array: What it holds.
        name: Of the sketch's value; empty for one that enters the sketch with the node.
        kind: Data that flows, a weight in any form a file has for it, or a setting that stays a constant.
    """

    array: AnyArray
    name: str = ""
    kind: Kind = "data"


@dataclass(frozen=True)
class Step:
    """A node with its operands, None where an optional one is absent."""

    node: NodeProto
    operands: tuple[Operand | None, ...]
    opset: int
    fixed: bool
    """Weights are constants, and not given by whoever runs the node."""

    @property
    def arrays(self) -> tuple[AnyArray | None, ...]:
        """Of the operands."""
        return tuple(None if operand is None else operand.array for operand in self.operands)

    def model(self) -> ModelProto:
        """A model of this one node."""
        named = self._named()
        inputs = [value_info(name, operand.array) for name, operand in named.items() if self._is_fed(operand)]
        constants = [
            numpy_helper.from_array(operand.array, name)
            for name, operand in named.items() if not self._is_fed(operand)
        ]  # fmt: skip
        node = self.named_node([self._name(operand) for operand in self.operands])
        outputs = [ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], "step", inputs, outputs, constants)
        return made_model(graph, self.opset)

    def feed(self) -> dict[str, AnyArray]:
        """What to run the model with."""
        return {name: operand.array for name, operand in self._named().items() if self._is_fed(operand)}

    def named_node(self, names: Sequence[str]) -> NodeProto:
        """The node with these operands."""
        node = NodeProto()
        node.CopyFrom(self.node)
        del node.input[:]
        node.input.extend(names)
        while node.input and not node.input[-1]:
            node.input.pop()
        return node

    def _is_fed(self, operand: Operand) -> bool:
        return operand.kind == "data" or (operand.kind == "weight" and not self.fixed)

    def _name(self, operand: Operand | None) -> str:
        return "" if operand is None else f"i{[id(other) for other in self.operands].index(id(operand))}"

    def _named(self) -> dict[str, Operand]:
        return {self._name(operand): operand for operand in self.operands if operand is not None}

    def __str__(self) -> str:
        attributes = ", ".join(f"{item.name}={helper.get_attribute_value(item)}" for item in self.node.attribute)
        operands = [
            "absent" if x is None else f"{x.array.dtype}{list(x.array.shape)}"
            + (f" = {x.array.tolist()}" if x.kind == "setting" and x.array.size < 12 else "")
            for x in self.operands
        ]  # fmt: skip
        return f"{self.node.op_type}-{self.opset}({attributes}) of {', '.join(operands)}"


def value_info(name: str, array: AnyArray) -> ValueInfoProto:
    """A value of the array's type."""
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def made_model(graph: Any, opset: int, ir_version: int | None = None) -> ModelProto:
    """A model of ONNX's own ops."""
    imports = [helper.make_opsetid("", opset)]
    least = max(4, helper.find_min_ir_version_for(imports, ignore_unknown=True))
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version or max(least, 7))


class Sketch:
    """A model in the making, and what its nodes draw from."""

    def __init__(self, seed: int, opset: int) -> None:
        self.draw = Draw(seed)
        self.opset = opset
        self.nodes: list[NodeProto] = []
        self.steps: list[Step] = []
        self.feed: dict[str, AnyArray] = {}
        self.values: dict[str, Operand] = {}
        """What later nodes may read."""
        self.made: dict[str, AnyArray] = {}
        """All that nodes have made."""
        self._weights: list[Operand] = []
        self._constants: list[TensorProto] = []
        self._listed: list[ValueInfoProto] = []
        self._read: set[str] = set()
        self._count = 0
        self._all_listed = opset <= 8 and self.draw.coin()

    # What nodes read

    def some(
        self,
        dtypes: Sequence[Any] = FLOATS,
        ranks: tuple[int, int] = (0, 5),
        where: Callable[[AnyArray], bool] = lambda _: True,
        make: Callable[[DTypeLike], AnyArray] | None = None,
    ) -> Operand:
        """A value of the sketch that fits, preferably one that nobody reads, or a new input.

        Args:
            dtypes: Element types.
            ranks: The least and the most.
            where: What else it has to fulfil.
            make: A new one of an element type, if values of any shape will not do.
        """
        fitting = [
            value for value in self.values.values()
            if value.array.dtype in dtypes and ranks[0] <= value.array.ndim <= ranks[1] and where(value.array)
        ]  # fmt: skip
        unread = [value for value in fitting if value.name not in self._read]
        if fitting and self.draw.coin(0.85):
            chosen: Operand = self.draw.choose(unread if unread and self.draw.coin(0.7) else fitting)
            return chosen
        dtype = self.draw.choose(dtypes)
        if make is not None:
            return Operand(make(dtype))
        while True:
            array = self.array(self.shape(*ranks), dtype)
            if where(array):
                return Operand(array)

    def image(
        self, axes: Sequence[int] = (1, 2, 2, 2, 3), dtypes: Sequence[Any] = FLOATS, least: int = 1, empty: bool = True
    ) -> Operand:
        """Feature maps ``(N, C, ...)``, of so many spatial axes; a batch of none now and then."""

        def make(dtype: DTypeLike) -> AnyArray:
            batch = 0 if empty and self.draw.coin(0.06) else self.draw.number(1, 3)
            sizes = self.draw.numbers(self.draw.choose(axes), least, 9)
            return self.array((batch, self.draw.choose([1, 2, 3, 4, 6]), *sizes), dtype)

        return self.some(
            dtypes, (2 + min(axes), 2 + max(axes)), make=make,
            where=lambda x: x.ndim - 2 in axes and min(x.shape[1:]) >= 1 and min(x.shape[2:]) >= least
            and (empty or x.shape[0] > 0),
        )  # fmt: skip

    def shape(self, least: int = 0, most: int = 5) -> tuple[int, ...]:
        """Of random rank; a size of zero now and then."""
        rank = self.draw.number(least, most)
        return tuple(0 if self.draw.coin(0.02) else self.draw.number(1, 5) for _ in range(rank))

    def array(self, shape: Sequence[int], dtype: DTypeLike = np.float32, scale: float = 1.0) -> AnyArray:
        """Normal floats, small whole numbers, or truths."""
        kind = np.dtype(dtype)
        if kind.kind == "f":
            return np.asarray(self.draw.rng.standard_normal(tuple(shape)) * scale, kind)
        if kind.kind == "b":
            return np.asarray(self.draw.rng.random(tuple(shape)) < 0.5)
        low = 0 if kind.kind == "u" else -9
        return np.asarray(self.draw.rng.integers(low, 10, tuple(shape)), kind)

    def weight(self, array: AnyArray) -> Operand:
        """A weight; now and then one that another node has already, or one number all over."""
        array = np.asarray(array)
        same = [w for w in self._weights if w.array.shape == array.shape and w.array.dtype == array.dtype]
        if same and self.draw.coin(0.3):
            chosen: Operand = self.draw.choose(same)
            return chosen
        if array.dtype.kind == "f" and array.size and self.draw.coin(0.1):
            array = np.full(array.shape, self.draw.choose([0.5, -0.25, 1.0]), array.dtype)
        return Operand(array, kind="weight")

    def setting(self, values: object, dtype: DTypeLike = np.int64) -> Operand:
        """A constant that steers a node."""
        return Operand(np.asarray(values, dtype), kind="setting")

    def axis(self, rank: int, negative_since: int = 11) -> int:
        """One of so many axes, counted from either side where the opset has that."""
        axis = self.draw.number(0, rank - 1)
        return axis - rank if self.opset >= negative_since and self.draw.coin(0.4) else axis

    def axes(self, rank: int, least: int = 1, negative_since: int = 11) -> tuple[int, ...]:
        """Some of them, each once."""
        negative = self.opset >= negative_since
        return tuple(a - rank if negative and self.draw.coin(0.3) else a for a in self.draw.some_axes(rank, least))

    # Growing

    def step(self, op_type: str, *operands: Operand | None, outputs: int = 1, **attributes: Any) -> Step:
        """A node that reads what was drawn; attributes that are None are left out."""
        given = {name: value for name, value in attributes.items() if value is not None}
        node = helper.make_node(op_type, [], [f"o{index}" for index in range(outputs)], **given)
        return Step(node, operands, self.opset, self.draw.coin(0.8))

    def add(self, step: Step, results: Sequence[AnyArray]) -> None:
        """Take the node in, and what it makes.

        A result that is not finite, or large, is an output of the model and not read by others.
        """
        names = {id(o): self._name(o, step.fixed) for o in step.operands if o is not None}
        node = step.named_node(["" if operand is None else names[id(operand)] for operand in step.operands])
        outputs = [self._fresh("v") if name else "" for name in step.node.output]
        del node.output[:]
        node.output.extend(outputs)
        node.name = f"{node.op_type}_{len(self.nodes)}" if self.draw.coin(0.8) else ""
        self.nodes.append(node)
        self.steps.append(step)
        self._read.update(names.values())
        for name, array in zip(filter(None, outputs), results, strict=True):
            self.made[name] = array
            if _is_tame(array):
                self.values[name] = Operand(array, name)

    def model(self) -> ModelProto:
        """The whole, with all that nobody reads as outputs."""
        ends = [name for name in self.made if name not in self._read]
        read = [name for name in self.made if name in self._read]
        if read and self.draw.coin(0.2):
            ends.append(self.draw.choose(read))
        inputs = [*(value_info(name, array) for name, array in self.feed.items()), *self._listed]
        outputs = [value_info(name, self.made[name]) for name in ends]
        graph = helper.make_graph(self.nodes, "sketch", inputs, outputs, self._constants)
        return made_model(graph, self.opset, 3 if self._all_listed else None)

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def _name(self, operand: Operand, fixed: bool) -> str:
        """The name of an operand; a new one enters the sketch."""
        if operand.name:
            return operand.name
        if operand.kind == "data" or (operand.kind == "weight" and not fixed):
            name = self._fresh("x")
            self.feed[name] = operand.array
            if operand.kind == "data" and _is_tame(operand.array):
                self.values[name] = Operand(operand.array, name)
            return name
        name = self._constant(operand.array, overridable=operand.kind == "weight")
        if operand.kind == "weight":
            self._weights.append(Operand(operand.array, name, "weight"))
        return name

    # The forms of a constant

    def _constant(self, array: AnyArray, overridable: bool) -> str:
        if overridable and self.draw.coin(0.1):
            name = self._initializer(array)
            if not self._all_listed:
                self._listed.append(value_info(name, array))
            return name
        forms: list[Callable[[AnyArray], str]] = [
            *[self._initializer] * 5, self._node, self._turned, self._reshaped, self._copied, self._joined,
        ]  # fmt: skip
        if self.opset >= 9 and array.size and (array == array.flat[0]).all():
            forms += [self._filled] * 5
        if array.dtype == np.float32:
            forms.append(self._narrowed)
        made: str = self.draw.choose(forms)(array)
        return made

    def _initializer(self, array: AnyArray) -> str:
        name = self._fresh("w")
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        if self._all_listed:
            self._listed.append(value_info(name, array))
        return name

    def _made_by(self, op_type: str, inputs: Iterable[str], **attributes: Any) -> str:
        name = self._fresh("w")
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], **attributes))
        return name

    def _node(self, array: AnyArray) -> str:
        return self._made_by("Constant", [], value=numpy_helper.from_array(array, "value"))

    def _turned(self, array: AnyArray) -> str:
        return self._made_by("Transpose", [self._initializer(array.T)])

    def _reshaped(self, array: AnyArray) -> str:
        if not array.size:
            return self._initializer(array)
        shape = np.asarray(array.shape, np.int64)
        return self._made_by("Reshape", [self._initializer(array.reshape(-1)), self._initializer(shape)])

    def _copied(self, array: AnyArray) -> str:
        return self._made_by("Identity", [self._initializer(array)])

    def _joined(self, array: AnyArray) -> str:
        if not array.ndim:
            return self._initializer(array)
        cut = self.draw.number(0, array.shape[0])
        return self._made_by("Concat", [self._initializer(array[:cut]), self._initializer(array[cut:])], axis=0)

    def _filled(self, array: AnyArray) -> str:
        value = numpy_helper.from_array(array.reshape(-1)[:1], "value")
        return self._made_by("ConstantOfShape", [self._initializer(np.asarray(array.shape, np.int64))], value=value)

    def _narrowed(self, array: AnyArray) -> str:
        return self._made_by("Cast", [self._initializer(array.astype(np.float64))], to=TensorProto.FLOAT)


def _is_tame(array: AnyArray) -> bool:
    """True where whoever reads it gets numbers that mean something."""
    if array.size > LARGEST or array.ndim > 6:
        return False
    if array.dtype.kind == "b":
        return True
    return array.dtype.kind in "fiu" and bool((np.abs(array.astype(np.float64)) <= 1e3).all())
