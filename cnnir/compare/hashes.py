"""Canonical hashes of nodes, free of names: forward over all that a node rests on, backward over all that rests on it.

This is Merkle's construction ("A Digital Signature Based on a Conventional Encryption Function", 1987) on a DAG, run in
both directions: an edit changes the forward hashes behind it and the backward hashes before it, and no others.
"""

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from cnnir.graph import Graph, Node, Value
from cnnir.text.printer import print_op
from cnnir.weights import Fill, Weight

_SAMPLE = 64
"""Elements looked at before a weight is compared in full with its first one."""


class Contents:
    """Digests of the contents of weights, each made once."""

    def __init__(self) -> None:
        self._known: dict[Weight, str] = {}

    def of(self, weight: Weight) -> str:
        """The same text for weights of the same type and bits, however they are expressed."""
        if weight not in self._known:
            self._known[weight] = _digest("weight", str(weight.type), _contents(weight))
        return self._known[weight]


def _contents(weight: Weight) -> str:
    if isinstance(weight, Fill) and (reference := weight.reference()) is not None:
        return f"every {reference}"
    array = weight.array()
    if array.dtype == object:
        return repr(array.tolist())
    flat = np.ascontiguousarray(array).reshape(-1)
    raw = flat.view(np.uint8).reshape(flat.size, -1)
    if flat.size and (raw[:_SAMPLE] == raw[0]).all() and (raw == raw[0]).all():
        return f"every {Fill(weight.dtype, weight.shape, flat[0]).reference()}"
    return hashlib.blake2b(raw.data).hexdigest()


class NodeHashes:
    """Hashes of the nodes of one graph.

    Attributes:
        own: Op, attributes and weights of each node.
        forward: The same with all that it rests on.
        backward: The same with all that rests on it.
    """

    def __init__(
        self, graph: Graph, weights: Callable[[Weight], str], inputs: Mapping[Value, str], outputs: Mapping[Value, str]
    ) -> None:
        """Hash a graph.

        Args:
            graph: Left as it is.
            weights: What of a weight counts, as text.
            inputs: What each input of the graph is called in both graphs.
            outputs: The same for its outputs.
        """
        self.own: dict[Node, str] = {}
        self.forward: dict[Node, str] = {}
        self.backward: dict[Node, str] = {}
        sources = {value: _digest("input", name) for value, name in inputs.items()}
        for node in graph.nodes:
            constants = [_constant(value, weights) for value in node.inputs]
            self.own[node] = _digest(print_op(node.op), *constants)
            operands = [sources[v] if v is not None and v.weight is None else "" for v in node.inputs]
            self.forward[node] = _digest(self.own[node], *operands)
            sources.update((value, _digest(self.forward[node], str(value.index))) for value in node.outputs)
        for node in reversed(graph.nodes):
            self.backward[node] = _digest(self.own[node], *(self._readers(value, outputs) for value in node.outputs))

    def _readers(self, value: Value, outputs: Mapping[Value, str]) -> str:
        readers = sorted(f"{self.backward[node]} {index}" for node, index in value.uses)
        return _digest(*readers, f"output {outputs.get(value)}")


def _constant(value: Value | None, weights: Callable[[Weight], str]) -> str:
    if value is None:
        return "absent"
    return "made" if value.weight is None else weights(value.weight)


def _digest(*parts: str) -> str:
    # Lengths in front, so that no two lists of parts run together into one text.
    return hashlib.blake2b("".join(f"{len(part)}:{part}" for part in parts).encode(), digest_size=16).hexdigest()
