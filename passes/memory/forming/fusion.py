"""Which nodes run as one step, whose result is written once.

- **Epilogue**: what is applied point by point to a result that nobody else reads, its own branches included
  (``x * sigmoid(x)``), is applied before the result is written. LRN too: it needs the neighbouring channels alone.
- **Meeting**: a sum of two results, neither of them read by anyone else, is accumulated: whichever runs last adds to
  what the first has written. One of the two may be a stored value with other readers: a residual.
- **Strip**: pooling of a result that nobody else reads takes it row by row, so that it is never stored.
- **Chain** (``aggressive`` alone): convolutions and poolings take each other's results in strips: see `chains`. The
  operands of the first are needed for longer, so in a network a chain can be a loss.
- **Prologue**: what is worked out point by point, or moved, for readers that all compute is worked out by each of them
  as it reads. Padding and transposition are such moves: no copy is stored.

Chains apart, none of these makes the live bytes of the best order larger. Epilogues and accumulating sums are what
OpenVINO and oneDNN do behind a convolution; prologues are DenseNet's (Pleiss et al., "Memory-Efficient Implementation
of DenseNets", 2017).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from cnnir.graph import Graph, Node, Value
from cnnir.ops import LRN, Conv
from cnnir.ops.opaque import Opaque
from cnnir.passes.memory.forming.chains import Chains, Stage, Wish
from cnnir.passes.memory.forming.epilogues import Epilogues
from cnnir.passes.memory.forming.kinds import COMPUTING, MOVING, is_pointwise, is_pool, read_by, stored_operands
from cnnir.passes.memory.forming.strips import Strip, strip_of
from cnnir.passes.memory.forming.views import Part
from cnnir.passes.memory.layouts import Arrangement, lie_alike
from cnnir.passes.memory.sizes import known_bytes

Fuse: TypeAlias = Literal["none", "epilogues", "steps", "aggressive"]


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that run as one step, in the graph's order.

    Attributes:
        nodes: The last of them makes what is written; a prologue's nodes stand in several groups.
        strip: The rows of a pooled result that are held, None when nothing is pooled.
    """

    nodes: tuple[Node, ...]
    strip: Strip | None = None

    @property
    def outputs(self) -> tuple[Value, ...]:
        """What the last node makes."""
        return self.nodes[-1].outputs


@dataclass(frozen=True, slots=True)
class Meeting:
    """A node of two operands that is applied by whichever of them comes last.

    Attributes:
        nodes: The node itself, and its epilogue.
        operands: Both, in the node's order.
        groups: For each operand the group that makes it for this node alone, None for a stored value.
    """

    nodes: tuple[Node, ...]
    operands: tuple[Value, Value]
    groups: tuple[int | None, int | None]

    @property
    def output(self) -> Value:
        """The result, behind the epilogue."""
        return self.nodes[-1].output


@dataclass(frozen=True)
class Fusion:
    """The decision for a graph.

    Attributes:
        groups: In the order of their first own nodes.
        meetings: In the graph's order.
        unstored: Values that are never stored, whatever the order.
    """

    groups: tuple[Group, ...]
    meetings: tuple[Meeting, ...]
    unstored: frozenset[Value]


def fuse(
    graph: Graph,
    level: Fuse,
    views: Mapping[Node, Sequence[Part]],
    wish: Wish = Wish(),  # noqa: B008  it is frozen
    layout: Arrangement = "rows",
) -> Fusion:
    """Decide which nodes run as one step.

    Args:
        graph: All dims known.
        level: ``none`` for a step a node; ``epilogues`` for what is applied to results and added to them, alone.
        views: Nodes that need not move a byte.
        wish: Where sequences of convolutions and poolings are cut, should that not be as is best for each.
        layout: How maps lie: a sum is accumulated where it lies as its operands do.
    """
    chains = wish if level == "aggressive" else None
    builder = _Builder(graph, views, chains, strips=level != "epilogues", layout=layout)
    for node in graph.nodes:
        if level == "none":
            builder.single(node)
        else:
            builder.take(node)
    return builder.done()


@dataclass
class _Builder:
    graph: Graph
    views: Mapping[Node, Sequence[Part]]
    wish: Wish | None = None
    strips: bool = True
    """Whether results may be held in strips, or not at all, for what reads them."""
    layout: Arrangement = "rows"
    groups: list[Group] = field(default_factory=list)
    meetings: list[Meeting] = field(default_factory=list)
    group_of: dict[Value, int] = field(default_factory=dict)
    """For the result of a group, its index."""

    def __post_init__(self) -> None:
        self.epilogues = Epilogues(self.graph, pointwise=not self.strips)
        self.outputs, self.position = self.epilogues.outputs, self.epilogues.position
        self.chains = Chains(self.epilogues, self.wish) if self.wish is not None else None
        self.taken, self.unstored = self.epilogues.taken, self.epilogues.unstored

    def done(self) -> Fusion:
        return Fusion(tuple(self.groups), tuple(self.meetings), frozenset(self.unstored))

    # One node after the other

    def single(self, node: Node) -> None:
        """The node is a step of its own, unless it moves nothing."""
        if node not in self.views or self._copies(node):
            self._add((node,))

    def take(self, node: Node) -> None:
        """Decide for a node, with all before it decided."""
        if node in self.taken:
            return
        if self._passes_unstored(node):
            return
        if self._copies(node):
            self._add((node,))
            return
        if node in self.views:
            return
        if len(node.outputs) != 1 or isinstance(node.op, Opaque):
            self._add((*self._prologue(node), node))
            return
        if (pair := self._meeting_operands(node)) is not None and self._meet(node, pair):
            return
        self._core(node)

    def _core(self, node: Node) -> None:
        growth = self.epilogues.grow(node.output)
        nodes = (node, *growth.nodes)
        if self._stays_unstored(nodes, growth.result):
            self.taken.update(nodes)
            self.unstored.update(other.output for other in nodes)
            return
        whole = (*self._prologue(node), *nodes)
        if self.chains is None:
            self._add(*self._with_pool(whole, growth.result))
        else:
            self._add(*self.chains.step(Stage(node, whole, growth.result), read_by(whole)))

    def _with_pool(self, nodes: tuple[Node, ...], result: Value) -> tuple[tuple[Node, ...], Strip | None]:
        """The nodes, and the pooling that follows with what is applied to its result."""
        pool = self._pool_behind(nodes, result)
        if pool is None:
            return nodes, None
        strip = strip_of([pool], channels=any(isinstance(node.op, LRN) for node in nodes))
        return (*nodes, pool, *self.epilogues.grow(pool.output).nodes), strip

    def _add(self, nodes: tuple[Node, ...], strip: Strip | None = None) -> None:
        self.groups.append(Group(nodes, strip))
        self._settle(self.groups[-1], len(self.groups) - 1)

    def _settle(self, group: Group, index: int) -> None:
        self.groups[index] = group
        self.taken.update(group.nodes)
        self.unstored.update(value for node in group.nodes[:-1] for value in node.outputs)
        self.group_of.update((value, index) for value in group.outputs)

    def _copies(self, node: Node) -> bool:
        """Whether a concatenation has something to write is known only when its slices have found their places."""
        return node.op.kind == "Concat"

    # Meetings

    def _meeting_operands(self, node: Node) -> tuple[Value, Value] | None:
        if not is_pointwise(node):
            return None
        operands = stored_operands(node)
        if len(operands) != 2 or len([v for v in node.operands if v.weight is None]) != 2:
            return None
        first, second = operands
        alike = all(lie_alike(value, node.output, self.layout) for value in operands)
        return (first, second) if alike and not {first, second} & self.unstored else None

    def _meet(self, node: Node, pair: tuple[Value, Value]) -> bool:
        """The node as a meeting, when one of its operands at least is made for it alone."""
        groups = (self._made_for(pair[0], node), self._made_for(pair[1], node))
        if groups == (None, None):
            return False
        direct = [index for index in groups if index is not None]
        if len(direct) == 1 and self._takes_all(direct[0], node, pair):
            return True
        # Either operand may come last, so the epilogue can rest on nothing that is not there before both.
        nodes = (node, *self.epilogues.grow(node.output, alone=True).nodes)
        self.taken.update(nodes)
        self.unstored.update(other.output for other in nodes[:-1])
        self.meetings.append(Meeting(nodes, pair, groups))
        return True

    def _made_for(self, value: Value, node: Node) -> int | None:
        """The group whose result the value is, when the node is all that reads it."""
        index = self.group_of.get(value)
        if index is None or value.users != (node,) or value in self.outputs:
            return None
        group = self.groups[index]
        # What lies in its operands' bytes is no result of its own.
        return index if len(group.outputs) == 1 and group.nodes[-1].op.kind != "Concat" else None

    def _takes_all(self, index: int, node: Node, pair: tuple[Value, Value]) -> bool:
        """The group of the one operand does all of it: where it reads the other operand anyway, or pools the result."""
        group, growth = self.groups[index], self.epilogues.grow(node.output)
        whole = (*group.nodes, node, *growth.nodes)
        reads_both = not set(read_by(group.nodes)).isdisjoint(pair)
        # What is added up from blocks of channels is there only in the end: too late for pooling in strips.
        pooled = group.strip is None and self._pool_behind(whole, growth.result) is not None
        if not reads_both and not pooled:
            return False
        del self.group_of[group.outputs[0]]
        nodes, strip = self._with_pool(whole, growth.result) if pooled else (whole, group.strip)
        self._settle(Group(nodes, strip), index)
        return True

    # Pooling in strips

    def _pool_behind(self, nodes: tuple[Node, ...], result: Value) -> Node | None:
        """The pooling that is all that reads the result of a group with a convolution."""
        if not self.strips or result in self.outputs or len(result.users) != 1:
            return None
        if not any(isinstance(n.op, Conv) for n in nodes):
            return None
        (reader,) = result.users
        if any(is_pool(node) for node in nodes) or reader in self.taken:
            return None
        return reader if is_pool(reader) and strip_of([reader], channels=False) is not None else None

    # Prologues

    def _passes_unstored(self, node: Node) -> bool:
        """A view of what is not stored is not stored itself: its readers work it out."""
        first = node.inputs[0] if node.inputs else None
        if first not in self.unstored or node not in self.views or self._copies(node):
            return False
        self.unstored.add(node.output)
        self.taken.add(node)
        return True

    def _stays_unstored(self, nodes: tuple[Node, ...], result: Value) -> bool:
        """True when all readers can work the result out as they read it, and nothing is lost by it."""
        if not self.strips:
            return False
        core = nodes[0]
        if not all(is_pointwise(node) or isinstance(node.op, MOVING) for node in nodes):
            return False
        sources = read_by(nodes)
        if len(sources) != 1 or result in self.outputs or not self._all_compute(result):
            return False
        (source,) = sources
        if source in self.unstored:
            return True
        if known_bytes(result) < known_bytes(source):
            return False
        # What is made for this node alone can be written over instead, once and for all.
        own = len(source.users) == 1 and source in self.group_of and source.producer not in self.views
        return isinstance(core.op, MOVING) or not own

    def _all_compute(self, value: Value) -> bool:
        """Do all readers, through views and moves, work out sums or maxima over what they read?"""
        if not value.users or value in self.outputs:
            return False
        for user in value.users:
            if user in self.taken:
                return False
            if isinstance(user.op, COMPUTING) and len(user.outputs) == 1:
                continue
            moves = (user in self.views and not self._copies(user)) or isinstance(user.op, MOVING)
            if not moves or len(user.outputs) != 1 or not self._all_compute(user.output):
                return False
        return True

    def _prologue(self, node: Node) -> tuple[Node, ...]:
        """The nodes that work out what this one reads and nobody stores."""
        return tuple(sorted(set(self._unstored_producers(node)), key=self.position.__getitem__))

    def _unstored_producers(self, node: Node) -> Iterator[Node]:
        for value in node.operands:
            if value in self.unstored and value.producer is not None:
                yield value.producer
                yield from self._unstored_producers(value.producer)


__all__ = ["Fuse", "Fusion", "Group", "Meeting", "fuse"]
