"""What is said when a pass fails: the pass, the node it worked at, and those that the node reads.

A wrong edit often was made behind the node at which it shows, so the message names what the node reads as well.
"""

import traceback
from collections.abc import Sequence

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node
from cnnir.passes.base import Journal, Place


def failure(error: Exception, stage: str, before: Graph, clone: Graph, journal: Journal) -> CnnirError:
    """The error to raise for one that a pass raised, whatever its kind.

    Args:
        error: What the pass, or the verification of its result, raised.
        stage: Which pass, as words.
        before: The graph that it was given.
        clone: What it has made of it.
        journal: What it has noted, above all the node that it works at.

    Returns:
        The same error with more in its message; ``pass-failed`` for what is no `CnnirError`.
    """
    graphs = (clone, before)
    if isinstance(error, CnnirError):
        told = error
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        told = CnnirError("pass-failed", text, hint="this is a fault of the pass")
    named = _labelled(told.node, graphs)
    place, words = _place(error, graphs, journal) if named is None else (named, "")
    if told.node is None and place is not None and words == "at":
        told.node, words = place.node, ""
    told.message = f"{told.message} (in pass {stage}{_at(place, words)})"
    return told


def _at(place: Place | None, words: str) -> str:
    """The place in words: none where the message begins with the node already."""
    if place is None:
        return ""
    where = f", {words} {place.node}" if words else ""
    return f"{where}, behind {', '.join(place.behind)}" if place.behind else where


def _labelled(label: str | None, graphs: Sequence[Graph]) -> Place | None:
    """The place of the node with that label, if it is in one of the graphs."""
    found = (node for graph in graphs for node in graph.nodes if node.label == label)
    return next(map(Place.of, found), None)


def _place(error: Exception, graphs: Sequence[Graph], journal: Journal) -> tuple[Place | None, str]:
    """Where the pass was, and how sure that is: it has said so, or a variable of its functions holds the node."""
    if journal.place is not None:
        return journal.place, "at"
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        # Of several the one that the function names last; it may be left over from a loop that has ended.
        for item in reversed(list(frame.f_locals.values())):
            if isinstance(item, Node) and (place := _known(item, graphs)) is not None:
                return place, "last seen at"
    return None, ""


def _known(node: Node, graphs: Sequence[Graph]) -> Place | None:
    """The place of a node, as it was before the pass when it has been removed since; None for a stranger."""
    for graph in graphs:
        if node in graph:
            return Place.of(node)
        if any(one.name == node.name for one in graph.nodes):
            return Place.of(graph.node(node.name))
    return None
