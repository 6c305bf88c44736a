"""What lives in an arena at one step of a plan, and what each of it is there for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cnnir.graph import Graph
from cnnir.plan import VIEW, MemoryPlan

Role: TypeAlias = Literal["written", "read", "held", "strips", "workspace"]
"""What the step has to do with it: it writes it, reads it, leaves it alone, or needs it for itself."""

SHOWN_NODES = 3
"""Nodes of a step that are all named; of more the first and the last."""


@dataclass(frozen=True, slots=True)
class Place:
    """A step of a plan, with what it computes.

    Attributes:
        step: Its number.
        nodes: Names of its nodes.
        ops: The op of each.
    """

    step: int
    nodes: tuple[str, ...]
    ops: tuple[str, ...]

    @classmethod
    def of(cls, plan: MemoryPlan, graph: Graph, step: int) -> "Place":
        """The plan's step of that number."""
        nodes = plan.steps[step].nodes
        return cls(step, nodes, tuple(graph.node(name).op.kind for name in nodes))

    @property
    def label(self) -> str:
        """Its nodes for people, the inner ones of many left out: ``conv1 (Conv) + ... + pool1 (MaxPool)``."""
        each = [f"{node} ({op})" for node, op in zip(self.nodes, self.ops, strict=True)]
        return " + ".join(each if len(each) <= SHOWN_NODES else [each[0], "...", each[-1]])


@dataclass(frozen=True, slots=True)
class Resident:
    """One storage, or a step's own workspace, and why it is there.

    Attributes:
        value: Name of what lies there; None for workspace.
        bytes: What is taken.
        role: What the step has to do with it.
        is_input: It is an input of the graph.
        is_output: It stays until the end, since it is an output of the graph, or part of one.
        in_place_of: What the step writes it over.
        part_of: The larger value that it is a part of.
        readers: Later steps that read it, in their order, the last of them maybe writing over it.
    """

    value: str | None
    bytes: int
    role: Role
    is_input: bool = False
    is_output: bool = False
    in_place_of: str | None = None
    part_of: str | None = None
    readers: tuple[Place, ...] = ()

    @property
    def is_own(self) -> bool:
        """True for what the step cannot do without."""
        return self.role != "held"

    @property
    def reason(self) -> str:
        """Why it is there, in words."""
        if self.role in ("strips", "workspace"):
            return f"{self.role} of the step"
        parts = ["graph input"] if self.is_input else []
        if self.role == "written":
            parts.append(f"written in place of {self.in_place_of}" if self.in_place_of else "written by the step")
        elif self.role == "read":
            parts.append("read by the step")
        parts += self._kept_for()
        if self.is_output:
            parts.append("output, kept to the end")
        if self.part_of is not None:
            parts.append(f"part of {self.part_of}")
        return ", ".join(parts)

    def _kept_for(self) -> Iterator[str]:
        if not self.readers or self.role == "written":
            return
        first, last = self.readers[0], self.readers[-1]
        text = f"kept for {first.label} at step {first.step}"
        if len(self.readers) > 2:
            text += f" and {len(self.readers) - 1} more, the last {last.label} at step {last.step}"
        elif len(self.readers) == 2:
            text += f" and {last.label} at step {last.step}"
        yield text


def residents(plan: MemoryPlan, graph: Graph, step: int) -> tuple[Resident, ...]:
    """What the step's live bytes are made of, the largest first; their sum is ``plan.live_bytes()[step]``."""
    counted = {pool.name for pool in plan.pools if pool.counted}
    written = _written(plan)
    found = [
        _resident(plan, graph, index, step, written)
        for index in plan.live_storages(step)
        if plan.storages[index].pool in counted and plan.storages[index].bytes
    ]
    scratch = plan.steps[step].scratch
    if scratch is not None and scratch.pool in counted:
        found += [Resident(None, scratch.strips, "strips")] if scratch.strips else []
        rest = scratch.bytes - scratch.strips
        found += [Resident(None, rest, "workspace")] if rest else []
    return tuple(sorted(found, key=lambda resident: -resident.bytes))


def _written(plan: MemoryPlan) -> dict[str, int]:
    """The step that computes each value, -1 for inputs; those that views show are not among them."""
    found = dict.fromkeys(plan.inputs, -1)
    for number, step in enumerate(plan.steps):
        if step.algorithm != VIEW:
            found.update(dict.fromkeys(step.writes, number))
    return found


def _resident(plan: MemoryPlan, graph: Graph, storage: int, step: int, written: dict[str, int]) -> Resident:
    holders = plan.holders(storage)
    value = _tenant(holders, step, written)
    now = plan.steps[step]
    role: Role = "held"
    if any(name in holders for name in now.writes) and now.algorithm != VIEW:
        role = "written"
    elif any(name in holders for name in now.reads):
        role = "read"
    replaced = [source for source, target in now.donations if source in holders and target in holders]
    later, overwritten = _later(plan, holders, step, plan.storages[storage].last)
    wider = [name for name in holders if name != value and _pieces(plan, name) > _pieces(plan, value)]
    return Resident(
        value=value,
        bytes=plan.storages[storage].bytes,
        role=role,
        is_input=value in plan.inputs,
        is_output=not overwritten and any(name in plan.outputs for name in holders),
        in_place_of=replaced[0] if role == "written" and replaced else None,
        part_of=wider[0] if wider else None,
        readers=tuple(Place.of(plan, graph, number) for number in later),
    )


def _tenant(holders: tuple[str, ...], step: int, written: dict[str, int]) -> str:
    """What was computed last of all that lies in the storage one after the other."""
    there = [name for name in holders if name in written and written[name] <= step]
    return max(there, key=lambda name: written[name]) if there else holders[0]


def _pieces(plan: MemoryPlan, name: str) -> int:
    return len(plan.values[name].pieces or ())


def _later(plan: MemoryPlan, holders: tuple[str, ...], step: int, last: int) -> tuple[list[int], bool]:
    """The later steps that read the contents, and whether the last of them writes over it."""
    found = []
    for number in range(step + 1, last + 1):
        later = plan.steps[number]
        if later.algorithm == VIEW or not any(name in holders for name in later.reads):
            continue
        found.append(number)
        if any(source in holders for source, _ in later.donations):
            return found, True
    return found, False


__all__ = ["Place", "Resident", "Role", "residents"]
