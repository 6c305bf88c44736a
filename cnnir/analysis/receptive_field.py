"""Receptive fields: which cells of the input an element can depend on, for every value and along each spatial axis.

Exact for every path, and the union where paths meet. The field is that of an element inside the map: its windows may
reach beyond the input, where padding takes the place of cells, as in Araujo, Norris and Sim, "Computing Receptive
Fields of Convolutional Neural Networks" (Distill, 2019). A field is an interval; a dilated window has gaps in it.

An axis of an input is spatial when a convolution, a pooling or a resampling slides along it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeAlias

from cnnir.analysis.reach import IDENTITY, Interval, Reach, compose, union
from cnnir.analysis.reads import Along, Merged, Nothing, Place, Read, Unknown, Whole, reads, shape_of
from cnnir.dims import UNKNOWN, Dim, decide_at_least, is_known
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Conv, ConvTranspose, Resize
from cnnir.ops.pooling import GlobalPool, Pool
from cnnir.types import TensorType

_SLIDING = (Conv, ConvTranspose, Pool, GlobalPool, Resize)
"""Ops that slide along all axes behind the channels."""


@dataclass(frozen=True)
class ReceptiveField:
    """What an element of a value can depend on, along one axis of one input.

    Attributes:
        input: Name of the graph's input.
        axis: Of the input.
        size: Cells, of the element that sees most; symbolic where a whole map of open size is seen; None when not
            known.
        stride: Cells from one element's field to its neighbour's; 0 when all see the same; None when not uniform or
            not known.
        start: First cell of the first element's field, negative where it lies in padding; None when not known.
        whole: True when every element sees the whole axis; None when not known.
        reason: Why something is not known or not uniform, with the node that caused it.
    """

    input: str
    axis: int
    size: Dim | None
    stride: Fraction | None
    start: Dim | None
    whole: bool | None
    reason: str = ""
    reach: Reach | None = field(default=None, repr=False)

    def of(self, position: int) -> Interval | None:
        """First and last cell of the field of the element at a position; None when it sees none, or not known."""
        return None if self.reach is None else self.reach.at(position)


Fields: TypeAlias = tuple[ReceptiveField, ...]


def receptive_fields(graph: Graph, *, narrowest: bool = False) -> Mapping[Value, Fields]:
    """The fields of the inputs and of all that nodes make; no entry in a tuple for an axis that a value does not see.

    Args:
        graph: Its dims may be symbolic.
        narrowest: Follow the path with the smallest field wherever paths meet, in place of the union: what a
            residual network can still hand on untouched.
    """
    states = _States(graph, narrowest=narrowest)
    for node in graph.nodes:
        states.visit(node)
    return {value: tuple(states.fields(value)) for value in (*graph.inputs, *states.of) if value.weight is None}


# States: what is known of one value along one axis of one input


@dataclass(frozen=True, slots=True)
class _Local:
    """Position by position along an axis of the value.

    Attributes:
        axis: Of the value.
        size: Positions along it, before it was merged with others.
        reach: From positions to cells of the input.
        merged: Whether the value's axis runs through other axes as well.
        cause: Why there is no uniform stride.
    """

    axis: int
    size: Dim
    reach: Reach
    merged: bool = False
    cause: str = ""


@dataclass(frozen=True, slots=True)
class _Shared:
    """All elements see the same cells."""

    first: Dim
    last: Dim


@dataclass(frozen=True, slots=True)
class _Lost:
    """Not known, and why."""

    reason: str


_State: TypeAlias = _Local | _Shared | _Lost
_Key: TypeAlias = tuple[Value, int]
"""An input and one of its axes."""


class _States:
    """The states of all values, filled node by node."""

    def __init__(self, graph: Graph, *, narrowest: bool) -> None:
        self.narrowest = narrowest
        self.spatial: set[_Key] = set()
        self.of: dict[Value, dict[_Key, _State]] = {}
        for value in graph.inputs:
            shape = shape_of(value)
            axes = range(1, len(shape)) if len(shape) >= 3 else ()
            self.of[value] = {(value, axis): _Local(axis, shape[axis], IDENTITY) for axis in axes}

    def visit(self, node: Node) -> None:
        """The states of what a node makes, from those of what it reads."""
        if isinstance(node.op, _SLIDING) and node.inputs[0] is not None:
            seen = self.of.get(node.inputs[0], {})
            self.spatial |= {key for key, state in seen.items() if isinstance(state, _Local) and _slides(state)}
        for index, value in enumerate(node.outputs):
            found: dict[_Key, _State] = {}
            for operand, source in enumerate(node.inputs):
                for key, state in self.of.get(source, {}).items() if source is not None else ():
                    passed = _pass(state, node, operand, index)
                    if passed is None:
                        continue
                    met = found.get(key)
                    found[key] = passed if met is None else self._meet(met, passed, value, node, key)
            self.of[value] = found

    def _meet(self, left: _State, right: _State, value: Value, node: Node, key: _Key) -> _State:
        if left == right:
            return left
        for state in (left, right):
            if isinstance(state, _Lost):
                return state
        if self.narrowest and (narrow := _narrower(left, right)) is not None:
            return narrow
        joined = _join(left, right, shape_of(value), shape_of(key[0])[key[1]])
        if joined is None:
            return _Lost(f"{node.label}: paths meet that see the input in different ways")
        if isinstance(joined, _Local) and joined.reach.step is None and not joined.cause:
            return replace(joined, cause=f"{node.label}: paths of different strides or parts of a map meet")
        return joined

    def fields(self, value: Value) -> Iterator[ReceptiveField]:
        for key, state in self.of[value].items():
            if key in self.spatial:
                yield _field(key, state)


def _slides(state: _Local) -> bool:
    return state.axis >= 2 and not state.merged


def _pass(state: _State, node: Node, operand: int, output: int) -> _State | None:
    """A state of an operand as an output sees it; None where the output sees nothing of it."""
    if not isinstance(state, _Local):
        return state
    if any(not isinstance(value.type, TensorType) for value in (*node.operands, node.outputs[output])):
        return _Lost(f"{node.label}: not all types are known")
    place = Place(node, operand, state.axis, output)
    rule = reads.find(type(node.op))
    read: Read = Unknown(f"no rule says what {node.op.kind} reads") if rule is None else rule(node.op, place)
    if isinstance(read, Unknown):
        return _Lost(f"{node.label}: {read.reason}")
    if isinstance(read, Nothing):
        return None
    if isinstance(read, Whole):
        return _all_of(state)
    if isinstance(read, Merged):
        return replace(state, axis=read.axis, merged=True)
    return _along(state, read, place)


def _along(state: _Local, read: Along, place: Place) -> _State:
    if read.reach == IDENTITY:
        return state if read.axis == state.axis else replace(state, axis=read.axis)
    if read.reach.step == 0 and len(read.reach.phases) == 1:
        # One position stands for all.
        return _all_of(replace(state, size=1))
    if state.merged:
        return _Lost(f"{place.node.label}: it slides along an axis that runs through several")
    size = place.result[read.axis]
    reach = compose(read.reach, state.reach, size if is_known(size) else None)
    if reach is None:
        return _Lost(f"{place.node.label}: positions that never repeat, in a map of open size")
    cause = state.cause if reach.step is None else ""
    if reach.step is None and not cause:
        cause = f"{place.node.label}: its positions do not move evenly"
    return _Local(read.axis, size, reach, cause=cause)


def _all_of(state: _Local) -> _State:
    """What all positions together see."""
    if is_known(state.size):
        cells = state.reach.over((0, state.size - 1))
        return _Shared(*cells) if cells is not None else _Shared(0, -1)
    first = state.reach.at(0)
    if first is None or len(state.reach.phases) > 1 or (state.reach.step or 0) < 0:
        return _Shared(UNKNOWN, UNKNOWN)
    return _Shared(first[0], (state.size - 1) * (state.reach.step or 0) + first[1])


def _join(left: _State, right: _State, shape: tuple[Dim, ...], extent: Dim) -> _State | None:
    """The union; None when it cannot be told."""
    if isinstance(left, _Shared) and isinstance(right, _Shared):
        return _Shared(_lesser(left.first, right.first), -_lesser(-left.last, -right.last))
    if isinstance(left, _Local) and isinstance(right, _Local):
        return _join_local(left, right, shape)
    shared, local = (left, right) if isinstance(left, _Shared) else (right, left)
    if not isinstance(shared, _Shared) or not isinstance(local, _Local):
        return None
    everything = _all_of(local)
    if shared == everything or not isinstance(everything, _Shared) or _covers(shared, extent):
        return _join(shared, everything, shape, extent)
    if not is_known(shared.first) or not is_known(shared.last):
        return None
    same = Reach(((shared.first, shared.last),), 0)
    return _join_local(local, replace(local, reach=same), shape)


def _join_local(left: _Local, right: _Local, shape: tuple[Dim, ...]) -> _State | None:
    if left.axis != right.axis or left.merged != right.merged:
        return None
    size = left.size if left.merged else shape[left.axis]
    reach = union(left.reach, right.reach, size if is_known(size) else None)
    if reach is None or (left.merged and left.size != right.size):
        return None
    return _Local(left.axis, size, reach, left.merged, left.cause or right.cause if reach.step is None else "")


def _lesser(left: Dim, right: Dim) -> Dim:
    if decide_at_least(left, right):
        return right
    return left if decide_at_least(right, left) else UNKNOWN


def _covers(shared: _Shared, extent: Dim) -> bool | None:
    """Whether all cells are seen; None when that is not decided."""
    if UNKNOWN in (shared.first, shared.last, extent):
        return None
    answers = (decide_at_least(0, shared.first), decide_at_least(shared.last, extent - 1))
    return None if None in answers and False not in answers else all(answers)


def _narrower(left: _State, right: _State) -> _State | None:
    if decide_at_least(_size(right), _size(left)):
        return left
    return right if decide_at_least(_size(left), _size(right)) else None


def _size(state: _State) -> Dim:
    if isinstance(state, _Local):
        return state.reach.size
    return state.last - state.first + 1 if isinstance(state, _Shared) else UNKNOWN


def _field(key: _Key, state: _State) -> ReceptiveField:
    value, axis = key
    extent = shape_of(value)[axis]
    if isinstance(state, _Lost):
        return ReceptiveField(value.name, axis, None, None, None, None, state.reason)
    if isinstance(state, _Shared):
        size = _known(_size(state))
        reason = "how far the map reaches depends on sizes that are open" if size is None else ""
        return ReceptiveField(value.name, axis, size, Fraction(0), _known(state.first), _covers(state, extent), reason)
    reach, first = state.reach, state.reach.at(0)
    start = None if first is None else first[0]
    whole = _all_cover(state, extent)
    return ReceptiveField(value.name, axis, reach.size, reach.stride, start, whole, state.cause, reach)


def _all_cover(state: _Local, extent: Dim) -> bool | None:
    """Whether each position sees the whole input."""
    if not is_known(state.size) or not is_known(extent):
        return None
    # A field moves evenly within its phase: the first and the last period hold the extremes.
    count = min(state.size, len(state.reach.phases))
    ends = {*range(count), *range(state.size - count, state.size)}
    seen = [state.reach.at(position) for position in sorted(ends)]
    return all(cells is not None and cells[0] <= 0 and cells[1] >= extent - 1 for cells in seen)


def _known(dim: Dim) -> Dim | None:
    return None if dim == UNKNOWN else dim


__all__ = ["Fields", "ReceptiveField", "receptive_fields"]
