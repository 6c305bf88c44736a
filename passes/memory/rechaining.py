"""Where chains may be cut or joined otherwise, so that a plan becomes lower: what lives when most bytes do tells."""

from collections.abc import Iterator, Sequence

from cnnir.graph import Graph, Node, Value
from cnnir.ops import Conv, Reshape, Transpose
from cnnir.passes.memory.emission import Entry, Layout
from cnnir.passes.memory.forming import Formation, Wish, is_pool


def unchained(graph: Graph) -> Wish:
    """No convolution takes what it reads in strips; pooling may."""
    return Wish(cut=frozenset(node.name for node in graph.nodes if isinstance(node.op, Conv)))


def other_wishes(formation: Formation, steps: Sequence[Entry], layout: Layout) -> Iterator[Wish]:
    """The formation's wish with one link cut or joined, of those that have to do with what lives at the peak.

    Three kinds can lower it: a chain that runs then; a chain that runs later, for which something is kept that a part
    of it would be done with; and a value stored then that a chain would not store.
    """
    wish = formation.choices.chains
    needs = layout.needs(steps)
    peak = needs.index(max(needs))
    living = _living(formation, layout, peak)
    readers = (step for step in steps if not living.isdisjoint(step.reads))
    chained = (core for step in (steps[peak], *readers) for core in [n for n in step.nodes if _takes(n)][1:])
    for core in dict.fromkeys(chained):
        yield Wish(wish.cut | {core.name}, wish.joined - {core.name})
    for value in formation.atoms:
        if value in living and (reader := _taker(value)) is not None:
            yield Wish(wish.cut - {reader.name}, wish.joined | {reader.name})


def _living(formation: Formation, layout: Layout, step: int) -> set[Value]:
    """The stored values that lie, wholly or in part, in bytes that are taken at a step."""
    rooms = {index for index, room in enumerate(layout.rooms) if room.first <= step <= room.last}
    return {
        value for value, atoms in formation.atoms.items() if any(layout.room_of.get(atom) in rooms for atom in atoms)
    }


def _takes(node: Node) -> bool:
    return isinstance(node.op, Conv) or is_pool(node)


def _taker(value: Value) -> Node | None:
    """The convolution or pooling that alone reads a value, a channel shuffle in between or none."""
    while len(value.uses) == 1:
        (reader,) = value.users
        if _takes(reader):
            return reader
        if not isinstance(reader.op, Reshape | Transpose):
            return None
        value = reader.output
    return None


__all__ = ["other_wishes", "unchained"]
