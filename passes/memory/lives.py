"""What lives when, before anything is placed: for those who look at a network without planning it in full."""

from typing import NamedTuple

from cnnir.graph import Graph
from cnnir.passes.memory.emission import entries, in_turn, lay_out
from cnnir.passes.memory.forming import Choices, form


class Life(NamedTuple):
    """A storage: its first and last step, and its bytes."""

    first: int
    last: int
    bytes: int


def lives(graph: Graph) -> tuple[Life, ...]:
    """The storages of a plan with a step a node, in the order in which the nodes stand.

    Raises:
        CnnirError: ``size-unknown`` or ``dims-unbound`` naming a value without a size.
    """
    formation = form(graph, Choices())
    steps = in_turn(entries(formation, range(len(formation.works))), graph.nodes)
    return tuple(Life(room.first, room.last, room.bytes) for room in lay_out(formation, steps, alignment=1).rooms)


__all__ = ["Life", "lives"]
