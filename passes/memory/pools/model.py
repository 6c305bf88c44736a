"""Memories, and what is to lie in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnir.errors import CnnirError
from cnnir.passes.memory.placement import Body

HIGHEST_COST = 1_000_000
"""So that sums of costs stay whole numbers of 64 bits."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory that a plan may use.

    Attributes:
        name: The pool's.
        capacity: Bytes that there are; None when not limited.
        cost: Of a byte that a step reads there or writes there, in any unit; a whole number.
        alignment: Every storage starts at a multiple of this many bytes; None for the plan's.
    """

    name: str
    capacity: int | None = None
    cost: int = 0
    alignment: int | None = None

    def __str__(self) -> str:
        limit = "" if self.capacity is None else f"={self.capacity}"
        alignment = "" if self.alignment is None else f"/{self.alignment}"
        return f"{self.name}{limit}{f'@{self.cost}' if self.cost else ''}{alignment}"


@dataclass(frozen=True, slots=True)
class Lodger:
    """A rigid body that lies wholly in one memory.

    Attributes:
        body: Its slices.
        traffic: Bytes that all steps together read and write in it.
        pinned: It is not for choice, but lies in the cheapest memory that is large enough: workspace.
    """

    body: Body
    traffic: int
    pinned: bool = False


def check_memories(memories: Sequence[Memory]) -> None:
    """Refuse memories that cannot be.

    Raises:
        CnnirError: ``pools``.
    """
    if not memories:
        raise CnnirError("pools", "a plan needs a memory at least", got="none")
    names = [memory.name for memory in memories]
    for memory in memories:
        if not memory.name or names.count(memory.name) > 1:
            raise CnnirError("pools", "each memory needs a name of its own", got=", ".join(names))
        if memory.capacity is not None and memory.capacity < 0:
            raise CnnirError("pools", "a capacity is not negative", node=memory.name, got=memory.capacity)
        if memory.alignment is not None and (memory.alignment < 1 or memory.alignment & (memory.alignment - 1)):
            raise CnnirError("pools", "an alignment is a power of two", node=memory.name, got=memory.alignment)
        if not 0 <= memory.cost <= HIGHEST_COST:
            raise CnnirError(
                "pools", "no such cost of a byte", node=memory.name, expected=f"0 to {HIGHEST_COST}", got=memory.cost
            )


__all__ = ["HIGHEST_COST", "Lodger", "Memory", "check_memories"]
