"""A second opinion on plans: naive, byte by byte, from the graph and the plan's JSON alone.

Nothing here rests on `cnnir.plan` or `cnnir.passes`. Each byte of each pool carries a label that says which byte of
which value it holds. Executing the steps paints labels; a read looks at every byte of the value and compares.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnir.graph import Graph, Node
from cnnir.types import DType

Bytes = NDArray[np.int64]

_SPAN = 1 << 32
"""Labels of one value: its number times this, plus the byte's position."""


class WrongPlanError(Exception):
    """The plan would compute something else than the graph says."""


def complaint(graph: Graph, text: str) -> str | None:
    """What is wrong with the plan in the JSON text, None when a run in its pools gives what the graph says."""
    try:
        _Run(graph, json.loads(text)).run()
    except WrongPlanError as wrong:
        return str(wrong)
    return None


class _Run:
    """One run of a plan over labels instead of numbers."""

    def __init__(self, graph: Graph, document: Any) -> None:
        self.graph = graph
        self.document = document
        self.memory = {pool["name"]: np.full(pool["bytes"], -1, np.int64) for pool in document["pools"]}
        self.numbers = {value.name: number for number, value in enumerate(graph.values)}
        # The value whose bytes a view shows: its own name for all that is computed.
        self.root: dict[str, str] = {}
        self.places: dict[str, dict[str, tuple[Bytes, Bytes]]] = {}

    def run(self) -> None:
        for name, value in self.document["values"].items():
            self.places[name] = dict(self._place(name, value))
        for value in self.graph.inputs:
            self._paint(value.name, value.name)
        done: list[str] = []
        for step in self.document["steps"]:
            for name in step["nodes"]:
                self._node(self.graph.node(name), step)
                done.append(name)
        if sorted(done) != sorted(node.name for node in self.graph.nodes):
            raise WrongPlanError("not every node runs once")
        for value in self.graph.outputs:
            if value.weight is None:
                self._look(value.name, "the end")

    def _node(self, node: Node, step: Any) -> None:
        read = [value.name for value in node.operands if value.weight is None]
        for name in read:
            self._look(name, node.name)
        for source, target in step["donations"]:
            if not all(self._alike(source, target, pool) for pool in self.memory):
                raise WrongPlanError(f"{source} is donated to {target}, which lies elsewhere")
        if step["algorithm"] == "view":
            # Nothing is moved: what is there must be what the op says.
            for value in node.outputs:
                viewed = node.inputs[0] if node.op.view and value.index == 0 else None
                self.root[value.name] = self.root.get(viewed.name, "") if viewed is not None else value.name
        else:
            for value in node.outputs:
                for name in read:
                    self._may_write(node, value.name, name, step)
            self._use_scratch(node, step, [*read, *(value.name for value in node.outputs)])
            for value in node.outputs:
                self._paint(value.name, value.name)
        for value in node.outputs:
            self._look(value.name, node.name)

    def _use_scratch(self, node: Node, step: Any, needed: list[str]) -> None:
        """Workspace may be written at any moment of the step."""
        if (scratch := step["scratch"]) is None:
            return
        where = np.arange(scratch["offset"], scratch["offset"] + scratch["bytes"], dtype=np.int64)
        if where.size and (where[0] < 0 or where[-1] >= self.memory[scratch["pool"]].size):
            raise WrongPlanError(f"the scratch of {node.name} lies outside of its pool")
        if any(np.intersect1d(where, self._bytes(name, scratch["pool"])[0]).size for name in needed):
            raise WrongPlanError(f"the scratch of {node.name} lies over what it reads or writes")
        self.memory[scratch["pool"]][where] = -1

    def _may_write(self, node: Node, target: str, source: str, step: Any) -> None:
        """While the node computes, no byte it still has to read may be written."""
        for pool in self.memory:
            from_, _ = self._bytes(source, pool)
            to, _ = self._bytes(target, pool)
            if not np.intersect1d(from_, to).size:
                continue
            same = self._alike(source, target, pool)
            types = self.graph.value(source).type == self.graph.value(target).type
            if not (node.op.in_place and same and types and [source, target] in step["donations"]):
                raise WrongPlanError(f"{node.name} writes {target} over {source}")

    def _alike(self, left: str, right: str, pool: str) -> bool:
        """Does each byte of the one lie where the same byte of the other lies?"""
        pairs = zip(self._bytes(left, pool), self._bytes(right, pool), strict=True)
        return all(np.array_equal(one, other) for one, other in pairs)

    def _place(self, name: str, value: Any) -> list[tuple[str, tuple[Bytes, Bytes]]]:
        """For each pool, the value's bytes in order of their position in the row-major value, and these positions."""
        graph_type = str(self.graph.value(name).type)
        if graph_type != f"{value['dtype']}[{', '.join(map(str, value['shape']))}]":
            raise WrongPlanError(f"{name} has another type")
        itemsize = DType(value["dtype"]).numpy.itemsize
        shape = tuple(value["shape"])
        order = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.int64).reshape(shape)
        covered = np.zeros(shape, np.int64)
        found: dict[str, list[tuple[Bytes, Bytes]]] = {pool: [] for pool in self.memory}
        for piece in value["pieces"] or []:
            box = tuple(slice(o, o + n) for o, n in zip(piece["origin"], piece["shape"], strict=True))
            part = order[box]
            if part.shape != tuple(piece["shape"]) or min(piece["origin"], default=0) < 0:
                raise WrongPlanError(f"{name} has a piece outside of itself")
            covered[box] += 1
            offsets = np.full(part.shape, piece["offset"], np.int64)
            for axis, stride in enumerate(piece["strides"]):
                steps = np.arange(part.shape[axis], dtype=np.int64) * stride
                offsets += steps.reshape((-1,) + (1,) * (part.ndim - axis - 1))
            inside = np.arange(itemsize, dtype=np.int64)
            found[piece["pool"]].append(
                ((offsets[..., None] + inside).ravel(), (part[..., None] * itemsize + inside).ravel())
            )
        if not np.all(covered == 1):
            raise WrongPlanError(f"{name} is not covered once")
        return [(pool, self._sorted(name, pool, parts)) for pool, parts in found.items() if parts]

    def _sorted(self, name: str, pool: str, parts: list[tuple[Bytes, Bytes]]) -> tuple[Bytes, Bytes]:
        where = np.concatenate([part[0] for part in parts])
        positions = np.concatenate([part[1] for part in parts])
        if where.size and (where.min() < 0 or where.max() >= self.memory[pool].size):
            raise WrongPlanError(f"{name} lies outside of pool {pool}")
        if np.unique(where).size != where.size:
            raise WrongPlanError(f"{name} lies over itself")
        order = np.argsort(positions)
        return where[order], positions[order]

    def _bytes(self, name: str, pool: str) -> tuple[Bytes, Bytes]:
        nothing = np.zeros(0, np.int64)
        return self.places.get(name, {}).get(pool, (nothing, nothing))

    def _paint(self, name: str, root: str) -> None:
        self.root[name] = root
        for pool, (where, positions) in self.places.get(name, {}).items():
            self.memory[pool][where] = self.numbers[root] * _SPAN + positions

    def _look(self, name: str, reader: str) -> None:
        root = self.root.get(name)
        if root is None or root not in self.numbers:
            raise WrongPlanError(f"{reader} finds {name} not made yet")
        if name not in self.places or (not self.places[name] and self._size(name)):
            raise WrongPlanError(f"{reader} finds {name} nowhere")
        for pool, (where, positions) in self.places[name].items():
            if not np.array_equal(self.memory[pool][where], self.numbers[root] * _SPAN + positions):
                raise WrongPlanError(f"{reader} finds something else where {name} should be")

    def _size(self, name: str) -> int:
        return int(np.prod(self.document["values"][name]["shape"], dtype=np.int64))
