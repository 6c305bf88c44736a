"""Which convolutions and poolings behind each other run as one step, that takes every result in strips.

A sequence is what follows a computing node as long as each result is read by one convolution or pooling alone, channel
shuffles in between. A step takes a stretch of it in one of two ways (strips.py has their bytes):

- by **blocks of channels**: what works channel by channel (a depthwise convolution, pooling) hands blocks on, and what
  mixes channels adds what each block gives to its result: it can only be the last;
- by **rows** of all channels: what mixes channels hands its rows on as well; so does LRN. Two that mix at most: more
  would be the tiling of whole networks, with buffers that grow at each layer.

A row that has been made is kept until the last window over it, so nothing is computed twice. Where a sequence is cut is
chosen so that the most that any of its steps needs is least, by dynamic programming over the cuts. The steps of other
branches are not looked at, so a network as a whole may want other cuts: see `Wish`.

Alwani et al., "Fused-Layer CNN Accelerators" (2016); the blocks of channels are those of MobileNet's inverted residuals
(Sandler et al., 2018, section 5.1).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cnnir.graph import Node, Value
from cnnir.ops import LRN, Conv, Reshape, Transpose
from cnnir.passes.memory.forming.epilogues import Epilogues
from cnnir.passes.memory.forming.kinds import is_pool, stored_operands
from cnnir.passes.memory.forming.strips import Strip, mixes_channels, strip_of
from cnnir.passes.memory.sizes import known_bytes, shape_of

LOOKAHEAD = 8
"""Convolutions and poolings of a sequence that are looked at together."""

MIXING = 2
"""Of a step, those that mix channels."""

SINGLE = 32
"""Bits: sums of blocks in a narrower type would be rounded to it one by one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a sequence, whatever is best for it alone.

    Attributes:
        cut: Names of convolutions and poolings that read a stored value.
        joined: Names of those that do not, where that is possible.
    """

    cut: frozenset[str] = frozenset()
    joined: frozenset[str] = frozenset()


NO_WISH = Wish()


@dataclass(frozen=True, slots=True)
class Stage:
    """A convolution or pooling with what is around it.

    Attributes:
        core: The node; of the first stage of a sequence whatever it is.
        nodes: In executable order: a channel shuffle, the core, its epilogue.
        result: What is handed on.
    """

    core: Node
    nodes: tuple[Node, ...]
    result: Value


@dataclass
class Chains:
    """Finds sequences while nodes are fused, and says how much of each is one step."""

    epilogues: Epilogues
    wish: Wish = NO_WISH

    def step(self, first: Stage, reads: Sequence[Value]) -> tuple[tuple[Node, ...], Strip | None]:
        """The nodes of the step that begins with this stage, and its strips.

        Args:
            first: What has been decided already.
            reads: What it reads of stored values.
        """
        stages = self._sequence(first)
        stages = stages[: self._cut(stages, reads)]
        return tuple(node for stage in stages for node in stage.nodes), self._strip(stages)

    def _sequence(self, first: Stage) -> list[Stage]:
        stages = [first]
        while len(stages) < LOOKAHEAD and (stage := self._behind(stages[-1].result)) is not None:
            stages.append(stage)
        return stages

    def _behind(self, result: Value) -> Stage | None:
        """The convolution or pooling that is all that reads a result."""
        shuffle = self._shuffle(result)
        read = shuffle[-1].output if shuffle else result
        reader = self._only_reader(read)
        if reader is None or not (isinstance(reader.op, Conv) or is_pool(reader)) or stored_operands(reader) != [read]:
            return None
        growth = self.epilogues.grow(reader.output)
        return Stage(reader, (*shuffle, reader, *growth.nodes), growth.result)

    def _only_reader(self, value: Value) -> Node | None:
        if value in self.epilogues.outputs or len(value.uses) != 1:
            return None
        (reader,) = value.users
        return reader if reader not in self.epilogues.taken else None

    def _shuffle(self, value: Value) -> tuple[Node, ...]:
        """Reshape, Transpose, Reshape that give channels another order and nothing else.

        Zhang et al., "ShuffleNet" (2018), section 3.1.
        """
        nodes: list[Node] = []
        read = value
        for kind in (Reshape, Transpose, Reshape):
            node = self._only_reader(read)
            if node is None or not isinstance(node.op, kind):
                return ()
            nodes.append(node)
            read = node.output
        before, apart, after = shape_of(value), shape_of(nodes[0].output), shape_of(nodes[2].output)
        split = len(apart) == len(before) + 1 and apart[0] == before[0] and apart[3:] == before[2:]
        swap = nodes[1].op
        assert isinstance(swap, Transpose)  # noqa: S101  so it was found
        return tuple(nodes) if split and after == before and swap.permutation[:3] == (0, 2, 1) and (
            swap.permutation[3:] == tuple(range(3, len(apart)))
        ) else ()  # fmt: skip

    # Cuts

    def _cut(self, stages: Sequence[Stage], reads: Sequence[Value]) -> int:
        """How many stages the first step takes, when the most that any of the steps needs is to be least."""
        outputs = self.epilogues.outputs
        # What others read, too, is there throughout, as far as the sequence knows.
        stays = sum(known_bytes(value) for value in reads if len(value.users) > 1 or value in outputs)
        dies = sum(known_bytes(value) for value in reads) - stays
        inputs = [dies, *(known_bytes(stage.result) for stage in stages[:-1])]
        joined = {stage.core.name for stage in stages} & self.wish.joined
        return self._best_cut(stages, inputs, joined) or self._best_cut(stages, inputs, set()) or 1

    def _best_cut(self, stages: Sequence[Stage], inputs: Sequence[int], joined: Collection[str]) -> int | None:
        """The same, where stages are not to begin a step; None when there is no such way."""
        # Behind each cut: the most that a step needs, the bytes that are stored, and where the next cut is.
        best: dict[int, tuple[int, int, int]] = {len(stages): (0, 0, 0)}
        for begin in reversed(range(len(stages))):
            found = []
            for end in range(begin + 1, len(stages) + 1):
                if end not in best or (end < len(stages) and stages[end].core.name in joined):
                    continue
                strip = self._strip(stages[begin:end])
                if end - begin > 1 and strip is None:
                    continue
                stored = known_bytes(stages[end - 1].result)
                needed = inputs[begin] + stored + (strip.bytes if strip is not None else 0)
                found.append((max(needed, best[end][0]), stored + best[end][1], end))
            if found:
                best[begin] = min(found)
        return best[0][2] if 0 in best else None

    def _strip(self, stages: Sequence[Stage]) -> Strip | None:
        """What a step of these stages holds; None for a single one, and where there is no such step."""
        if len(stages) == 1 or any(stage.core.name in self.wish.cut for stage in stages[1:]):
            return None
        first, *behind = stages
        made = [node for node in first.nodes if isinstance(node.op, Conv) or is_pool(node)]
        # Pooling of pooling alone is no work worth a strip.
        if not made or (all(is_pool(stage.core) for stage in behind) and any(is_pool(node) for node in made)):
            return None
        mixing = sum(mixes_channels(node) for stage in stages for node in stage.nodes)
        if mixing > MIXING:
            return None
        handed = [node for stage in stages[:-1] for node in stage.nodes]
        late = any(mixes_channels(stage.core) for stage in behind[:-1])
        rows = late or any(isinstance(node.op, LRN) for node in handed) or not _adds_up(behind[-1])
        return strip_of([stage.core for stage in behind], channels=rows)


def _adds_up(stage: Stage) -> bool:
    """Whether what blocks of channels give can be added up where the result is to lie, without being rounded there."""
    if not mixes_channels(stage.core):
        return True
    bits = getattr(getattr(stage.result.type, "dtype", None), "bits", None)
    return stage.result.type == stage.core.output.type and bits is not None and bits >= SINGLE


__all__ = ["NO_WISH", "Chains", "Stage", "Wish"]
