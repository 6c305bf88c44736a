"""A second opinion on plans: naive, byte by byte, from the graph and the plan's JSON alone.

Nothing here rests on `cnnir.plan` or `cnnir.passes`. All pools together are one array of labels, one a byte. What a
value is made of is an array of labels too: fresh ones for what is computed, and for what is only shown or copied the
operands' own, moved about by NumPy as the op says. Executing the steps paints labels; a read looks at every byte.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnir.graph import Graph, Node
from cnnir.types import DType
from tests.plan import oracle_figures
from tests.plan.oracle_moves import moved

Labels = NDArray[np.int64]

_SPAN = 1 << 32
"""Labels of one value: its number times this, plus the byte's position."""


class WrongPlanError(Exception):
    """The plan would compute something else than the graph says."""


def complaint(graph: Graph, text: str) -> str | None:
    """What is wrong with the plan in the JSON text.

    Returns:
        None when its figures are right, and a run in its pools gives what the graph says.
    """
    document = json.loads(text)
    return oracle_figures.complaint(document) or complaint_of_contents(graph, text)


def complaint_of_contents(graph: Graph, text: str) -> str | None:
    """The same of what the bytes hold alone, whatever lives and figures the plan claims."""
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
        self.base: dict[str, int] = {}
        self.end: dict[str, int] = {}
        size = 0
        for pool in document["pools"]:
            self.base[pool["name"]], size = size, size + pool["bytes"]
            self.end[pool["name"]] = size
        self.memory = np.full(size, -1, np.int64)
        self.numbers = {value.name: number for number, value in enumerate(graph.values)}
        self.places: dict[str, Labels] = {}
        self.data: dict[str, Labels] = {}

    def run(self) -> None:
        for name, value in self.document["values"].items():
            if name not in self.numbers or self.graph.value(name).weight is not None:
                raise WrongPlanError(f"{name} is no value to be stored")
            self._check_type(name, value)
            if value["pieces"] is not None:
                self.places[name] = self._place(name, value)
        for value in self.graph.inputs:
            self.write(value.name, self.fresh(value.name))
        for step in self.document["steps"]:
            _Step(self, step).run()
        self._check_nodes()
        for value in self.graph.outputs:
            if value.weight is None:
                self.look(value.name, "the end")

    def _check_nodes(self) -> None:
        """Each node has run, and only what was never stored has run again."""
        done = [name for step in self.document["steps"] for name in step["nodes"]]
        for node in self.graph.nodes:
            times = done.count(node.name)
            stored = any(value.name in self.places for value in node.outputs)
            if times == 0 or (times > 1 and stored):
                raise WrongPlanError(f"{node.name} runs {times} times")

    # Places

    def _check_type(self, name: str, value: Any) -> None:
        if str(self.graph.value(name).type) != f"{value['dtype']}[{', '.join(map(str, value['shape']))}]":
            raise WrongPlanError(f"{name} has another type")

    def _place(self, name: str, value: Any) -> Labels:
        """The address of each byte of the value, with one axis more than it has: the bytes of an element."""
        shape, itemsize = tuple(value["shape"]), DType(value["dtype"]).numpy.itemsize
        place = np.full((*shape, itemsize), -1, np.int64)
        covered = np.zeros(shape, np.int64)
        for piece in value["pieces"]:
            box = tuple(slice(o, o + n) for o, n in zip(piece["origin"], piece["shape"], strict=True))
            if covered[box].shape != tuple(piece["shape"]) or min(piece["origin"], default=0) < 0:
                raise WrongPlanError(f"{name} has a piece outside of itself")
            covered[box] += 1
            steps = np.indices(tuple(piece["shape"]), np.int64)
            offsets = piece["offset"] + np.tensordot(np.array(piece["strides"], np.int64), steps, 1)
            bytes_ = np.asarray(offsets)[..., None] + np.arange(itemsize)
            if bytes_.size and (bytes_.min() < 0 or bytes_.max() >= self.end[piece["pool"]] - self.base[piece["pool"]]):
                raise WrongPlanError(f"{name} lies outside of pool {piece['pool']}")
            place[box] = bytes_ + self.base[piece["pool"]]
        if not np.all(covered == 1):
            raise WrongPlanError(f"{name} is not covered once")
        if np.unique(place).size != place.size:
            raise WrongPlanError(f"{name} lies over itself")
        return place

    # Bytes

    def fresh(self, name: str) -> Labels:
        """Labels of a value that is computed, the same whenever it is."""
        value = self.document["values"][name]
        shape = (*value["shape"], DType(value["dtype"]).numpy.itemsize)
        return self.numbers[name] * _SPAN + np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)

    def write(self, name: str, labels: Labels) -> None:
        self.data[name] = labels
        self.memory[self.at(name)] = labels

    def at(self, name: str) -> Labels:
        if name not in self.places:
            raise WrongPlanError(f"{name} is nowhere")
        return self.places[name]

    def look(self, name: str, reader: str) -> Labels:
        """What a value is made of, found in its bytes."""
        if name not in self.data:
            raise WrongPlanError(f"{reader} finds {name} not made yet")
        if not np.array_equal(self.memory[self.at(name)], self.data[name]):
            raise WrongPlanError(f"{reader} finds something else where {name} should be")
        return self.data[name]


class _Step:
    """One step of a run."""

    def __init__(self, run: _Run, step: Any) -> None:
        self.of = run
        self.step = step
        self.nodes: list[Node] = [run.graph.node(name) for name in step["nodes"]]
        self.label = " ".join(step["nodes"])
        self.made = [value.name for node in self.nodes for value in node.outputs]
        self.read = {v.name for node in self.nodes for v in node.operands if v.weight is None} - set(self.made)
        self.written = [name for name in self.made if name in run.places]

    def run(self) -> None:
        if len(set(self.made)) != len(self.made) or any(name in self.of.data for name in self.written):
            raise WrongPlanError(f"{self.label} makes something twice")
        if set(self.step["reads"]) != self.read or set(self.step["writes"]) != set(self.written):
            raise WrongPlanError(f"{self.label} reads or writes something else")
        # All that comes from outside is looked at when the step begins; in here, a node needs what stands before it.
        found = {name: self.of.look(name, self.label) for name in self.read}
        self._use_scratch()
        algorithm = self.step["algorithm"]
        if algorithm in ("view", "join"):
            self._move(found, copied=algorithm == "join")
            return
        for node in self.nodes:
            missing = [value.name for value in node.operands if value.weight is None and value.name not in found]
            if missing:
                raise WrongPlanError(f"{node.name} runs before {missing[0]} is there")
            found.update((value.name, self.of.fresh(value.name)) for value in node.outputs)
        self._check_overwriting()
        self._check_room()
        for name in self.written:
            self.of.write(name, found[name])
        for name in self.written:
            self.of.look(name, self.label)

    def _use_scratch(self) -> None:
        """Workspace may be written at any moment of the step."""
        if (scratch := self.step["scratch"]) is None:
            return
        begin, size = self.of.base[scratch["pool"]] + scratch["offset"], scratch["bytes"]
        if scratch["offset"] < 0 or size < 0 or begin + size > self.of.end[scratch["pool"]]:
            raise WrongPlanError(f"the scratch of {self.label} lies outside of its pool")
        where = np.arange(begin, begin + size)
        if any(np.intersect1d(where, self.of.places[name]).size for name in [*self.read, *self.written]):
            raise WrongPlanError(f"the scratch of {self.label} lies over what it reads or writes")
        self.of.memory[where] = -1

    def _strip(self, name: str) -> int:
        """Bytes of so many rows and channels of a value as the step says."""
        rows, channels = self.step["tile"]
        one = self.of.fresh(name)[0]
        while one.ndim < 3:
            one = one[..., None, :]
        return int(one[:channels, :rows].size)

    def _move(self, found: dict[str, Labels], *, copied: bool) -> None:
        """A step that computes nothing: its outputs are made of its operands."""
        if len(self.nodes) != 1 or self.step["donations"] or self.step["scratch"] is not None:
            raise WrongPlanError(f"{self.label} is more than a view or join")
        (node,) = self.nodes
        if copied and node.op.kind != "Concat":
            raise WrongPlanError(f"{self.label} joins nothing")
        operands: list[Labels] = []
        for value in node.operands:
            if value.weight is None:
                operands.append(found[value.name])
            elif copied:
                # A constant's bytes are nobody's: labels that stand nowhere else.
                shape = value.weight.array().shape
                count = value.weight.array().nbytes
                labels = -(self.of.numbers[value.name] + 2) * _SPAN + np.arange(count)
                operands.append(labels.reshape(*shape, -1))
            else:
                raise WrongPlanError(f"{self.label} shows a constant, which lies in no pool")
        results = moved(node, operands)
        if results is None or len(results) != len(node.outputs):
            raise WrongPlanError(f"{self.label} computes, and cannot be a view")
        for value, labels in zip(node.outputs, results, strict=True):
            if copied:
                self._copy(value.name, labels, found)
            self.of.data[value.name] = labels
            self.of.look(value.name, self.label)

    def _copy(self, name: str, labels: Labels, found: dict[str, Labels]) -> None:
        """Write those bytes that are not there yet; none of them may be an operand's."""
        place = self.of.at(name)
        changed = place[self.of.memory[place] != labels]
        if any(np.intersect1d(changed, self.of.places[source]).size for source in found):
            raise WrongPlanError(f"{self.label} copies over what it reads")
        self.of.memory[place] = labels

    def _check_room(self) -> None:
        """What needs many elements of something that many went into needs a place for it: bytes, or strips."""
        strips = self.step["scratch"]["strips"] if self.step["scratch"] is not None else 0
        needed = [v.name for n in self.nodes if _gathers(n) for v in n.operands if self._is_gathered(v.name)]
        gone = [name for name in self.made if name not in self.of.places]
        if strips and not needed and not any(self._strip(name) <= strips for name in gone):
            raise WrongPlanError(f"the strips of {self.label} are strips of nothing")
        for name in needed:
            if strips == 0 or self._strip(name) > strips:
                raise WrongPlanError(f"{self.label} does not hold what it needs of {name}")

    def _is_gathered(self, name: str) -> bool:
        """Is it never stored, and does it rest on sums made in this step and not stored either?"""
        maker = next((node for node in self.nodes if name in {value.name for value in node.outputs}), None)
        if maker is None or name in self.of.places:
            return False
        return _gathers(maker) or any(self._is_gathered(value.name) for value in maker.operands)

    # In place

    def _check_overwriting(self) -> None:
        """While the step computes, no byte that it still has to read may be written."""
        donations = [tuple(pair) for pair in self.step["donations"]]
        for source, target in donations:
            if source not in self.read or target not in self.written:
                raise WrongPlanError(f"{self.label} does not have {source} to donate to {target}")
            if not np.array_equal(self.of.places[source].ravel(), self.of.places[target].ravel()):
                raise WrongPlanError(f"{source} is donated to {target}, which lies elsewhere")
        for target in self.written:
            for source in self.read:
                if not np.intersect1d(self.of.places[source], self.of.places[target]).size:
                    continue
                types = self.of.graph.value(source).type == self.of.graph.value(target).type
                if (source, target) not in donations or not types or not self._elementwise(source, target):
                    raise WrongPlanError(f"{self.label} writes {target} over {source}")

    def _elementwise(self, source: str, target: str) -> bool:
        """Each element of the target needs, of the source, the element below it alone, and is the last to need it."""
        maker = next(i for i, node in enumerate(self.nodes) if target in {value.name for value in node.outputs})
        reaching = [i for i, node in enumerate(self.nodes) if self._depends(node, source)]
        before = [self.nodes[i] for i in reaching if i <= maker]
        behind = [self.nodes[i] for i in reaching if i > maker]
        same = {source}
        for node in before:
            if node.op.view and self._first(node) in same:
                same.add(node.outputs[0].name)
        late = any(same & {value.name for value in node.operands} for node in behind)
        needed = self.nodes[maker] in before
        return needed and not late and all(
            node.op.in_place or (node.op.view and not self._depends_otherwise(node, source)) for node in before
        )  # fmt: skip

    def _first(self, node: Node) -> str:
        return node.inputs[0].name if node.inputs[0] is not None else ""

    def _depends_otherwise(self, node: Node, source: str) -> bool:
        """Does a view use the source as anything but what it shows?"""
        return any(self._comes_of(value.name, source) for value in node.operands if value is not node.inputs[0])

    def _depends(self, node: Node, source: str) -> bool:
        return any(self._comes_of(value.name, source) for value in node.operands)

    def _comes_of(self, name: str, source: str) -> bool:
        """Is it the source, or made from it in this step?"""
        if name == source:
            return True
        maker = next((node for node in self.nodes if name in {value.name for value in node.outputs}), None)
        return maker is not None and self._depends(maker, source)


def _gathers(node: Node) -> bool:
    """Does each element rest on many, which other elements rest on as well?"""
    return node.op.kind in {"Conv", "ConvTranspose", "Gemm", "MatMul", "MaxPool", "AveragePool", "LpPool"}
