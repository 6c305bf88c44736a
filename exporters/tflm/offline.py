"""The offline plan of TensorFlow Lite for Microcontrollers (TFLM).

A ``.tflite`` model may name a buffer ``OfflineMemoryAllocation`` in its metadata. It holds 32-bit integers, little
endian as all of a flatbuffer: the version of the form, the index of the subgraph, the number of tensors n, then for
each of the subgraph's n tensors the offset from the beginning of the arena's head, or -1 where the runtime is to place
it (source: tflite-micro, ``tensorflow/lite/micro/docs/memory_management.md``, "Offline planned tensor allocations").

The form has one arena and one offset for a tensor, and no word for what a step does. So a plan fits when everything
lies in one pool, each value dense and in one place, and when no step writes into the middle of what it reads: that is
right for a view or a joined concatenation, which move no byte, and wrong for the runtime's kernels, which copy. Kernels
request workspace when the model is set up, and the runtime places it around what is planned: a plan's scratch is not
told. A step that writes exactly over an operand rests on a kernel that reads each element before it writes it there.
"""

import csv
import io
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from cnnir.errors import CnnirError
from cnnir.exporters.placed import Placed, placed_values
from cnnir.plan import MemoryPlan, Step

METADATA = "OfflineMemoryAllocation"
"""Name of the metadata entry whose buffer this is."""

VERSION = 0
"""Of the form."""

ALIGNMENT = 16
"""Bytes: what TFLM aligns every tensor to (``MicroArenaBufferAlignment``); kernels may rely on it."""

ONLINE = -1
"""The offset of a tensor that the runtime places."""

_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Tensor:
    """A tensor of the subgraph.

    Attributes:
        name: As in the model.
        offset: In the arena, or `ONLINE`.
        bytes: What the plan keeps for it; 0 when the runtime places it.
        type: ``float32[1, 8, 8, 3]``; empty when the runtime places it.
    """

    name: str
    offset: int
    bytes: int = 0
    type: str = ""


@dataclass(frozen=True)
class OfflinePlan:
    """The plan in TFLM's form.

    Attributes:
        subgraph: Index of the subgraph that it is for.
        tensors: One for each of the subgraph's tensors, in its order.
        order: Names of the nodes in the order that the plan rests on: the subgraph's operators have to stand in it.
        arena_bytes: Where the last planned tensor ends.
    """

    subgraph: int
    tensors: tuple[Tensor, ...]
    order: tuple[str, ...]
    arena_bytes: int

    def to_bytes(self) -> bytes:
        """The contents of the metadata's buffer."""
        offsets = [tensor.offset for tensor in self.tensors]
        return struct.pack(f"<{3 + len(offsets)}i", VERSION, self.subgraph, len(offsets), *offsets)

    def table(self) -> str:
        """CSV: which tensor is which value, and where it lies."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(("tensor", "name", "type", "offset", "bytes"))
        for index, tensor in enumerate(self.tensors):
            rows.writerow((index, tensor.name, tensor.type, tensor.offset, tensor.bytes))
        return text.getvalue()


def offline_plan(plan: MemoryPlan, tensors: Sequence[str] | None = None, subgraph: int = 0) -> OfflinePlan:
    """The plan in TFLM's form.

    Args:
        plan: Proved before it is written.
        tensors: Names of the subgraph's tensors in its order, as the ``.tflite`` file has them. Those that the plan
            does not know (weights, what a converter adds) are left to the runtime; those that it stores have to be
            among them. The plan's own values in its order when None.
        subgraph: Index of the subgraph.

    Raises:
        CnnirError: from `MemoryPlan.check`; ``plan-form`` with the reason why the plan does not fit the form;
            ``tensor-names`` for a stored value that stands twice among the tensors, or not at all.
    """
    plan.check()
    values = {value.name: value for value in placed_values(plan)}
    _require_one_arena(plan, values.values())
    for number, step in enumerate(plan.steps):
        _require_whole(f"step {number} ({', '.join(step.nodes)})", step, values)
    _require_places(values.values())
    names = list(values) if tensors is None else list(tensors)
    _require_names(plan, names, values)
    found = tuple(_tensor(values[name]) if name in values else Tensor(name, ONLINE) for name in names)
    return OfflinePlan(subgraph, found, plan.order, max((value.end for value in values.values()), default=0))


def _tensor(value: Placed) -> Tensor:
    return Tensor(value.name, value.offset, value.bytes, f"{value.dtype}[{', '.join(map(str, value.shape))}]")


def _fail(
    reason: str, node: str | None = None, expected: object = None, got: object = None, hint: str = ""
) -> NoReturn:
    message = f"TFLM's offline plan cannot say this plan: {reason}"
    raise CnnirError("plan-form", message, node=node, expected=expected, got=got, hint=hint or None)


def _require_one_arena(plan: MemoryPlan, values: Iterable[Placed]) -> None:
    pools = dict.fromkeys(value.pool for value in values)
    if len(pools) > 1 or not all(plan.pool(name).counted for name in pools):
        _fail(
            "it has one arena, inputs and outputs are in it", expected="one counted pool", got=", ".join(pools),
            hint="plan with inputs and outputs in the arena",
        )  # fmt: skip


def _require_places(values: Iterable[Placed]) -> None:
    for value in values:
        if not value.contiguous:
            _fail("it has no strides", value.name, got=value.strides)
        if value.offset % ALIGNMENT:
            _fail(
                "its tensors are aligned", value.name, expected=f"a multiple of {ALIGNMENT}", got=value.offset,
                hint=f"plan with an alignment of {ALIGNMENT} or a multiple",
            )  # fmt: skip
        if value.offset > _LARGEST:
            _fail("offsets have 32 bits", value.name, expected=f"at most {_LARGEST}", got=value.offset)


def _require_whole(where: str, step: Step, values: dict[str, Placed]) -> None:
    """What a step writes lies exactly where something lies that it reads, or apart from all that."""
    if len(step.nodes) > 1:
        _fail("it runs one operator at a time", where, got=f"{len(step.nodes)} nodes fused")
    for written in (values[name] for name in step.writes):
        for read in (values[name] for name in step.reads):
            meet = written.offset < read.end and read.offset < written.end
            empty = not written.bytes or not read.bytes
            if meet and not empty and (written.offset, written.end) != (read.offset, read.end):
                _fail(
                    f"{written.name} lies over a part of {read.name}, and an operator would copy there", where,
                    hint="plan with views=False (--no-views): what is cut or concatenated is copied",
                )  # fmt: skip


def _require_names(plan: MemoryPlan, names: Sequence[str], values: dict[str, Placed]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1 and name in values]
    if twice:
        raise CnnirError("tensor-names", "a planned value's name stands twice among the tensors", got=twice[0])
    if missing := [name for name in values if name not in set(names)]:
        raise CnnirError(
            "tensor-names", "a value that the plan stores is none of the tensors", node=plan.graph,
            got=", ".join(missing[:4]), hint="the model's tensors need the planned network's names",
        )  # fmt: skip
    if unstored := [name for name in names if name in plan.values and name not in values]:
        _fail("a tensor of the model is one that the plan does not store", unstored[0])
