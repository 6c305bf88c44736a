"""Whether a pass has kept the interface that it promises to keep: names and types of inputs and outputs.

An output's type may say more than before (fold knows a shape that was not known), never something else. Sizes that are
written in two ways count as equal when they are, or are at several sizes that the network's conditions allow.
"""

from cnnir.constraints import equal
from cnnir.dims import Dim, UnknownDim, bind, symbols
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.passes.checking.trial_sizes import trial_sizes
from cnnir.passes.sizes.shape_inference import graph_symbols
from cnnir.types import TensorType, UnknownType
from cnnir.verify import verify

_TRIALS = 4
"""Sizes that two formulas are compared at when their forms do not tell."""


def check_interface(before: Graph, after: Graph, what: str) -> None:
    """Names and types of inputs and outputs are as they were.

    Args:
        before: The graph that the pass was given.
        after: The graph that it made.
        what: The pass, for the message.

    Raises:
        CnnirError: ``pass-interface`` naming the first input or output that is another.
    """
    _check_given(before, after, what)
    for kind, old, new in (("inputs", before.inputs, after.inputs), ("outputs", before.outputs, after.outputs)):
        names, others = ([value.name for value in values] for values in (old, new))
        if names != others:
            raise CnnirError(
                "pass-interface", f"the pass has other {kind} than it promises", node=what, expected=names, got=others
            )
        for value, other in zip(old, new, strict=True):
            if value.type == other.type or (kind == "outputs" and _says_more(value, other, after)):
                continue
            if kind == "inputs" or _is_sound(before):
                raise CnnirError(
                    "pass-interface",
                    f"{kind[:-1]} {value.name} has another type than the pass promises",
                    node=what,
                    expected=value.type,
                    got=other.type,
                )


def _check_given(before: Graph, after: Graph, what: str) -> None:
    """Weights that a caller may give in the place of their defaults are inputs too, of the same type."""
    types, others = ({weight.name: weight.type for weight in graph.weights} for graph in (before, after))
    for name in before.provenance.listed:
        old, new = types.get(name), others.get(name)
        if new != old:
            raise CnnirError(
                "pass-interface", f"callers may give {name} as an input, which the pass changes", node=what,
                expected=old, got="nothing of the name" if new is None else new,
            )  # fmt: skip


def _is_sound(graph: Graph) -> bool:
    """False for types that contradict what the nodes make: a pass may mend them."""
    try:
        verify(graph)
    except CnnirError:
        return False
    return True


def _says_more(value: Value, other: Value, graph: Graph) -> bool:
    """The new type says what the old one does, and perhaps more."""
    old, new = value.type, other.type
    if isinstance(old, UnknownType):
        return old.dtype is None or (isinstance(new, TensorType | UnknownType) and new.dtype is old.dtype)
    if not isinstance(old, TensorType) or not isinstance(new, TensorType):
        return False
    if new.dtype is not old.dtype or new.rank != old.rank:
        return False
    known = set(graph_symbols(graph))
    return all(_same(dim, twin, known, graph) for dim, twin in zip(old.shape, new.shape, strict=True))


def _same(dim: Dim, twin: Dim, known: set[str], graph: Graph) -> bool:
    # A symbol that no input has stands for a size that nobody knew.
    if isinstance(dim, UnknownDim) or symbols(dim) - known:
        return True
    outcome = equal(dim, twin)
    if outcome is True or outcome is False or outcome is None:
        return outcome is True
    try:
        trials = [trial_sizes(known, graph.constraints, seed) for seed in range(_TRIALS)]
    except CnnirError:
        return True  # no size is allowed that the network could have: nothing tells the two apart
    return all(bind(dim, sizes) == bind(twin, sizes) for sizes in trials)
