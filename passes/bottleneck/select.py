"""Which layers a pass is asked to change: patterns of their names, and what has to be said of those it cannot."""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node
from cnnir.ops import Conv, ConvTranspose, Gemm, MatMul, Opaque

_SEPARATOR = re.compile(r"(?<!\[)\||\|(?!\])")
"""Between patterns; ``[|]`` is a bar in a name."""


def matching(graph: Graph, patterns: str) -> list[Node]:
    """The nodes whose names match one of the glob patterns, which ``|`` separates; all nodes for no pattern.

    Raises:
        CnnirError: ``option-value`` for an empty pattern, ``node-unknown`` for one that no node matches.
    """
    if not patterns:
        return list(graph.nodes)
    wanted = [pattern.strip() for pattern in _SEPARATOR.split(patterns)]
    if "" in wanted:
        raise CnnirError(
            "option-value", "a pattern of names is empty", node="nodes", expected="such as conv1|fc*",
            got=repr(patterns), hint="leave the option out for all layers",
        )  # fmt: skip
    for pattern in wanted:
        if not any(fnmatchcase(node.name, pattern) for node in graph.nodes):
            names = [node.name for node in graph.nodes if isinstance(node.op, Conv | Gemm | MatMul)]
            raise CnnirError(
                "node-unknown", "no node has a name that matches the pattern", node="nodes", got=pattern,
                hint=f"layers are called {', '.join(names[:3])}" if names else "the graph has no layer with a weight",
            )  # fmt: skip
    return [node for node in graph.nodes if any(fnmatchcase(node.name, pattern) for pattern in wanted)]


def choose(graph: Graph, predicate: Callable[[Node], bool]) -> str:
    """The option `nodes` that stands for the nodes of which a predicate holds.

    Args:
        graph: Whose nodes.
        predicate: Holds of the layers that a pass should change.

    Raises:
        CnnirError: ``node-unknown`` when it holds of none.
    """
    names = [node.name for node in graph.nodes if predicate(node)]
    if not names:
        raise CnnirError("node-unknown", "the predicate holds of no node", expected="at least one", got="none")
    return "|".join(re.sub(r"([*?\[|])", r"[\1]", name) for name in names)


def unlisted(node: Node, reason: str, *, named: bool) -> str | None:
    """Why a node is not changed that is no layer of the kinds a pass knows; None where nobody would expect that it is.

    Args:
        node: Any other node.
        reason: What the pass works on.
        named: Whether it was chosen, or is a layer that people may expect to be.
    """
    if isinstance(node.op, ConvTranspose):
        return f"{reason}, a transposed convolution is none of them"
    if isinstance(node.op, Opaque) and (node.op.captures or any(_is_matrix(node, i) for i in range(len(node.inputs)))):
        return f"{reason}, and what the constants of {node.op.kind} are to it is not known"
    return reason if named else None


def _is_matrix(node: Node, index: int) -> bool:
    value = node.inputs[index]
    return (
        value is not None and value.weight is not None and value.weight.dtype.is_float and len(value.weight.shape) > 1
    )
