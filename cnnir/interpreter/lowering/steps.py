"""One step of a plan as calls: its first node by the step's algorithm, and the rest on the rows that are finished."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cnnir.algorithms.channels_last.epilogues import TARGET, map_readers, places
from cnnir.algorithms.channels_last.ways import has_fixed_weights
from cnnir.errors import CnnirError
from cnnir.graph import Node, Value
from cnnir.interpreter.lowering.base import Call, Rows, Site, Step, Workspace, lowering
from cnnir.interpreter.lowering.elementwise import elementwise
from cnnir.interpreter.lowering.maps import lying, strips
from cnnir.interpreter.lowering.moving import moved
from cnnir.ops import Concat
from cnnir.weights import AnyArray


@dataclass(frozen=True)
class Context:
    """Where a plan's steps are computed.

    Attributes:
        arrays: Of every stored value.
        weights: Of every weight.
        forms: Weights in the forms that algorithms need.
    """

    arrays: Mapping[Value, AnyArray]
    weights: Mapping[Value, AnyArray]
    forms: dict[tuple[str, str], AnyArray]

    def find(self, value: Value | None) -> AnyArray | None:
        """A stored value, or a weight."""
        if value is None:
            return None
        return self.weights[value] if value.weight is not None else self.arrays.get(value)


def lower(nodes: Sequence[Node], algorithm: str, scratch: AnyArray, context: Context) -> Iterator[Call]:
    """The calls of a step.

    Args:
        nodes: Of the step.
        algorithm: As the plan names it, parameters and all.
        scratch: Its bytes.
        context: What its values lie in.

    Raises:
        CnnirError: ``plan-unsupported`` for an algorithm that the interpreter does not have for such a step.
    """
    name, parameters = parse(algorithm)
    for node in nodes:
        if not has_fixed_weights(node):
            raise CnnirError("plan-unsupported", "its weights are computed in each run", node=node.label, got=algorithm)
    return _Fused(nodes, name, parameters, Workspace(scratch), context).calls()


def joined(node: Node, context: Context) -> Iterator[Call]:
    """The calls of a concatenation of which some operands lie in their places."""
    assert isinstance(node.op, Concat)  # noqa: S101  the plan has been proved
    begin, target = 0, context.arrays[node.output]
    for value in node.operands:
        part = context.find(value)
        assert part is not None  # noqa: S101  or the step would not read it
        end = begin + part.shape[node.op.axis]
        place = target[(*(slice(None) for _ in range(node.op.axis)), slice(begin, end))]
        if place.__array_interface__["data"] != part.__array_interface__["data"] or place.strides != part.strides:
            yield from moved(place, part)
        begin = end


def parse(algorithm: str) -> tuple[str, dict[str, int]]:
    """The name of an algorithm, and its parameters: ``im2col{rows=4}``.

    Raises:
        CnnirError: ``plan-algorithm``.
    """
    name, brace, settings = algorithm.partition("{")
    try:
        if not brace:
            return name, {}
        pairs = (setting.split("=") for setting in settings.removesuffix("}").split(","))
        return name, {key: int(number) for key, number in pairs}
    except ValueError as error:
        raise CnnirError("plan-algorithm", "no algorithm with its parameters", got=algorithm) from error


class _Fused:
    """A head, and what is applied to its rows."""

    def __init__(
        self,
        nodes: Sequence[Node],
        algorithm: str,
        parameters: Mapping[str, int],
        workspace: Workspace,
        context: Context,
    ) -> None:
        self.head, *self.epilogue = nodes
        self.algorithm, self.parameters = algorithm, parameters
        self.context, self.workspace = context, workspace
        self.results = tuple(context.arrays[value] for value in nodes[-1].outputs)
        self.result = self.results[0]
        self.places = places(self.head.outputs[0], self.epilogue)
        # The result may lie in the bytes of a map that the epilogue reads: until that is read the rows lie in a strip.
        self.reading = map_readers(self.head.outputs[0], self.epilogue)
        self.strip: AnyArray | None = None

    def calls(self) -> Iterator[Call]:
        site = Site(
            tuple(self.context.find(value) for value in self.head.inputs),
            self.results,
            self.workspace,
            self._target,
            self.parameters,
            self.context.forms,
            self.head.name,
        )
        in_parts = False
        for item in self._head(site):
            if isinstance(item, Rows):
                in_parts = True
                yield from self._behind(item)
            else:
                yield item
        if not in_parts:
            yield from self._behind(None)

    def _head(self, site: Site) -> Step:
        if self.algorithm == "elementwise":
            return self._pointwise(site)
        return lowering(self.algorithm)[type(self.head.op)](self.head.op, site)

    def _pointwise(self, site: Site) -> Step:
        """A head that is computed element by element itself."""
        shape = self.result.shape
        parts = strips(shape[0], shape[2], site.setting("rows")) if len(shape) == MAPS else [None]
        for part in parts:
            operands = tuple(_cut(array, part) for array in site.operands)
            target = self._target(part)
            cut = replace(site, operands=operands, workspace=self.workspace.rest())
            yield from elementwise[type(self.head.op)](self.head.op, cut, target)
            if part is not None:
                yield part

    def _target(self, part: Rows | None) -> AnyArray:
        """Where the head is to write rows."""
        rows = self.result if part is None else part.of(self.result)
        if not self.reading:
            return rows
        if self.strip is None or self.strip.size < rows.size:
            self.strip = self.workspace.take((rows.size,), rows.dtype)
        return _like(rows, self.strip[: rows.size])

    def _behind(self, part: Rows | None) -> Iterator[Call]:
        """The epilogue on rows that the head has made."""
        target, rows = self._target(part), self.result if part is None else part.of(self.result)
        made, spare = {self.head.outputs[0]: target}, self.workspace.rest()
        temporary: dict[int, AnyArray] = {}
        left = len(self.reading)
        for node in self.epilogue:
            left -= node in self.reading
            place = self.places[node.output]
            if place != TARGET and place not in temporary:
                temporary[place] = _like(rows, spare.take((rows.size,), rows.dtype))
            result = temporary[place] if place != TARGET else rows if not left else target
            operands = tuple(
                made[value] if value in made else _cut(self.context.find(value), part) for value in node.inputs
            )
            site = Site(operands, (result,), spare.rest(), self._target, {}, self.context.forms, node.name)
            yield from elementwise[type(node.op)](node.op, site, result)
            made[node.output] = result


MAPS = 4
"""Rank of what has rows."""


def _like(rows: AnyArray, flat: AnyArray) -> AnyArray:
    """A flat array in the shape of the rows, its axes running in the same order."""
    axes = lying(rows)
    return flat.reshape([rows.shape[axis] for axis in axes]).transpose([axes.index(axis) for axis in range(rows.ndim)])


def _cut(array: AnyArray | None, part: Rows | None) -> AnyArray | None:
    """The rows of an operand that is broadcast to a map."""
    if array is None or part is None or array.ndim < 2:
        return array
    return part.of(array.reshape((*(1 for _ in range(MAPS - array.ndim)), *array.shape)))


__all__ = ["Context", "joined", "lower", "parse"]
