"""Recurrent layers."""

from collections.abc import Mapping, Sequence
from typing import Any

from cnnir.exporters.onnx.mapping.attributes import Unmapped
from cnnir.exporters.onnx.mapping.base import Read, Source, Target, reads, require_opset, writers
from cnnir.graph import Node
from cnnir.ops import GRU, LSTM, RNN
from cnnir.ops.recurrent import TAKEN, Recurrent

_CLASSES: Mapping[str, type[Recurrent]] = {op_class.__name__: op_class for op_class in (RNN, GRU, LSTM)}

_NAMES = {name.casefold(): name for name in TAKEN}
"""Runtimes do not look at capitals."""


@reads(*_CLASSES)
def read_recurrent(source: Source) -> Read:
    """The batch may come first since opset 14; alphas and betas stand in a row for the activations that take them."""
    op_class, take = _CLASSES[source.proto.op_type], source.attributes
    inner = source.tensor(2).shape
    size = take.optional_integer("hidden_size")
    if size is None:
        if len(inner) != 3 or not isinstance(inner[2], int):
            raise Unmapped("its hidden_size is not known")
        size = inner[2]
    direction: Any = take.text("direction", "forward")
    names = tuple(_NAMES.get(name.casefold(), name) for name in take.texts("activations") or ())
    alphas, betas = (
        _spread(names or op_class.own, take.numbers(f"activation_{what}") or (), place)
        for place, what in enumerate(("alpha", "beta"))
    )
    extra: dict[str, Any] = {}
    for name in ("input_forget", "linear_before_reset"):
        if name in op_class.__dataclass_fields__:
            extra[name] = take.flag(name)
    layout = take.integer("layout", 0)
    if layout not in (0, 1):
        raise Unmapped(f"layout {layout} is not known")
    gives = tuple(name for name, output in zip(op_class.results, source.outputs, strict=False) if output)
    if len([output for output in source.outputs if output]) != len(gives) or not gives:
        raise Unmapped("it has other outputs")
    source.outputs[:] = [output for output in source.outputs if output]
    clip = take.number("clip", 0.0)
    return op_class(size, direction, layout == 1, names, alphas, betas, clip, gives, **extra), source.inputs


def _spread(names: Sequence[str], given: Sequence[float], place: int) -> tuple[float, ...]:
    """One number for each activation: what is given goes to those that take one, in their order."""
    if not given:
        return ()
    left, found = list(given), []
    for name in names:
        default = TAKEN[name][place] if name in TAKEN else None
        found.append(0.0 if default is None else left.pop(0) if left else default)
    if left:
        raise Unmapped("it has more factors than its activations take")
    return tuple(found)


@writers.rule(RNN, GRU, LSTM)
def write_recurrent(target: Target, node: Node, op: Recurrent) -> None:
    """Outputs that are not there have empty names."""
    if op.batch_first:
        require_opset(target, node, 14)
    inputs = [target.name(value) for value in node.inputs]
    while not inputs[-1]:
        inputs.pop()
    named = dict(zip(op.gives, map(target.name, node.outputs), strict=True))
    outputs = [named.get(name, "") for name in op.results]
    while not outputs[-1]:
        outputs.pop()
    flags = {
        name: int(value)
        for name in ("input_forget", "linear_before_reset")
        if (value := getattr(op, name, None)) is not None
    }
    target.emit(
        node, op.kind, inputs, outputs, hidden_size=op.hidden_size, direction=op.direction,
        layout=1 if op.batch_first else None, clip=op.clip or None, activations=op.activations or None,
        activation_alpha=_said(op, op.alphas, 0), activation_beta=_said(op, op.betas, 1), **flags,
    )  # fmt: skip


def _said(op: Recurrent, numbers: Sequence[float], place: int) -> list[float] | None:
    """The numbers of those activations that take one."""
    names = op.activations or op.own * op.directions
    said = [number for name, number in zip(names, numbers, strict=False) if TAKEN[name][place] is not None]
    return said or None
