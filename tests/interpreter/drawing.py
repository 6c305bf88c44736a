"""A single node with operands that fit it, and what is drawn from a seed to make one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnir.graph import Graph, Value
from cnnir.ops import Op
from cnnir.types import DType, TensorType
from cnnir.weights import Array

AnyArray: TypeAlias = NDArray[Any]


_NEW = {"Swish": 24, "RMSNormalization": 23, "CumProd": 26}
"""Ops that came after the opset in which graphs are written, and when."""


@dataclass(frozen=True)
class Case:
    """One node: its op and its operands, None where one is absent."""

    op: Op
    operands: tuple[AnyArray | None, ...]
    constants: frozenset[int] = frozenset()
    """Operands that are weights of the graph instead of inputs."""
    portable: bool = True
    """False where onnxruntime is known to depart from the specification."""
    typed: bool = False
    """The op says itself which element types it takes."""
    opset: int = 0
    """The first one that has this form of the op, where that is a late one."""

    def graph(self) -> Graph:
        """A graph of this one node, with all its outputs; the feed is `feed`."""
        graph = Graph("single")
        graph.provenance.opsets[""] = max(graph.provenance.opsets[""], _NEW.get(self.op.kind, 0), self.opset)
        values: list[Value | None] = []
        for index, operand in enumerate(self.operands):
            if operand is None:
                values.append(None)
            elif index in self.constants:
                values.append(graph.add_weight(f"x{index}", Array.of(operand)))
            else:
                values.append(graph.add_input(f"x{index}", TensorType(DType.of(operand.dtype), operand.shape)))
        graph.set_outputs(graph.add_node(self.op, values, name="node").outputs)
        return graph

    def feed(self) -> dict[str, AnyArray]:
        """What to run the graph with."""
        return {f"x{i}": x for i, x in enumerate(self.operands) if x is not None and i not in self.constants}

    def __str__(self) -> str:
        return f"{self.op} on {[None if x is None else (x.dtype.name, x.shape) for x in self.operands]}"

    def as_type(self, dtype: type[np.generic]) -> "Case":
        """The same with floating operands of another type, where the op takes one."""
        if self.typed:
            return self
        moved = tuple(x.astype(dtype) if x is not None and x.dtype.kind == "f" else x for x in self.operands)
        return replace(self, operands=moved)


class Draw:
    """Draws from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def number(self, least: int, most: int) -> int:
        """Uniform, both ends included."""
        return int(self.rng.integers(least, most + 1))

    def numbers(self, count: int, least: int, most: int) -> tuple[int, ...]:
        """Several of them."""
        return tuple(self.number(least, most) for _ in range(count))

    def coin(self, probability: float = 0.5) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def choose(self, items: Sequence[Any]) -> Any:
        """One of them."""
        return items[self.number(0, len(items) - 1)]

    def tensor(self, *shape: int, scale: float = 1.0) -> AnyArray:
        """Normal float32."""
        return np.asarray(self.rng.standard_normal(shape) * scale, np.float32)

    def some_axes(self, rank: int, least: int = 0) -> tuple[int, ...]:
        """A random subset of the axes, ascending."""
        count = self.number(least, rank)
        return tuple(sorted(int(axis) for axis in self.rng.permutation(rank)[:count]))

    def shape(self, least: int = 0, most: int = 4, size: int = 5) -> tuple[int, ...]:
        """A shape of random rank."""
        return self.numbers(self.number(least, most), 1, size)


Maker: TypeAlias = Callable[[Draw], Case]
MAKERS: dict[type[Op], Maker] = {}
"""For each op how a random node is made."""


def makes(*op_classes: type[Op]) -> Callable[[Maker], Maker]:
    """Decorator: makes nodes of these ops."""

    def register(maker: Maker) -> Maker:
        MAKERS.update(dict.fromkeys(op_classes, maker))
        return maker

    return register


def broadcast_shapes(draw: Draw, count: int) -> list[tuple[int, ...]]:
    """Shapes that broadcast, by axes of 1 and by axes left out."""
    whole = draw.shape()
    shapes = []
    for _ in range(count):
        cut = whole[draw.number(0, len(whole)) :] if draw.coin(0.4) else whole
        shapes.append(tuple(1 if draw.coin(0.2) else size for size in cut))
    return shapes


def function(op: Callable[[Draw], Op]) -> Maker:
    """Makes nodes of a function of one tensor."""

    def make(draw: Draw) -> Case:
        """Any rank, with values far from zero."""
        return Case(op(draw), (draw.tensor(*draw.shape(), scale=draw.choose([1, 10, 100])),))

    return make
