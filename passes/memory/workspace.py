"""Workspace in the plan: for each step the ways to compute it, from the least scratch to the least time.

Three answers to the question of what workspace counts:

- ``none``: the kernels take theirs outside of the arena, and the plan says so;
- ``today``: what the interpreter takes for the step as it runs it today, one way a step;
- a cost profile, or the name of one: every way that is known of a step of one node, priced by the profile, whether the
  interpreter has it or not. Steps of several nodes, or on values with gaps, have the way of today alone. Where maps
  have their channels last, the ways are those of compiled programs, for steps of several nodes as well.

The order is searched, and storages are placed, with the least scratch of every step. Then time is bought with what is
free: each step takes the fastest of its ways for which the arena has room beside what lives at the step.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cnnir.algorithms import PROFILES, Call, Choice, Profile, Unknown, channels_last_front, front, step_workspace
from cnnir.errors import CnnirError
from cnnir.graph import Node, Value
from cnnir.plan import KERNEL

NONE = "none"
TODAY = "today"

FREE = (Choice(KERNEL, 0, None),)
"""The ways of a step when workspace is not counted, and those of one that moves no byte or only copies."""


@dataclass(frozen=True)
class Counting:
    """How workspace counts.

    Attributes:
        name: ``none``, ``today``, or that of the profile.
        profile: What time is estimated by, None for ``none`` and ``today``.
        tolerance: The largest error that a way may add to that of plain sums, see `cnnir.algorithms.choose`.
        channels_last: Whether maps have their channels innermost, and ways for that are taken.
    """

    name: str = NONE
    profile: Profile | None = None
    tolerance: float = 0.0
    channels_last: bool = False

    @classmethod
    def of(cls, workspace: str | Profile, tolerance: float = 0.0) -> "Counting":
        """The counting that an answer asks for.

        Raises:
            CnnirError: ``workspace-option`` for another answer, or a tolerance that means nothing.
        """
        if not 0 <= tolerance < 1:
            raise CnnirError("workspace-option", "a tolerance is an error relative to results", got=tolerance)
        if isinstance(workspace, Profile):
            found = cls(workspace.name, workspace, tolerance)
        elif workspace in (NONE, TODAY):
            found = cls(workspace, None, tolerance)
        elif workspace in PROFILES:
            found = cls(workspace, PROFILES[workspace], tolerance)
        else:
            raise CnnirError(
                "workspace-option", "no such way to count workspace", expected=", ".join((NONE, TODAY, *PROFILES)),
                got=workspace,
            )  # fmt: skip
        if found.profile is None and tolerance:
            raise CnnirError("workspace-option", "a tolerance chooses among the ways of a profile", got=workspace)
        if found.profile is not None and found.name in (NONE, TODAY):
            raise CnnirError("workspace-option", "the name of a profile that means something else", got=found.name)
        return found

    @property
    def options(self) -> Mapping[str, str]:
        """What a plan remembers of it: the profile by its digest, as two of one name may differ."""
        if self.profile is None:
            return {"workspace": self.name}
        digest = sha256(self.profile.to_json().encode()).hexdigest()
        return {"workspace": self.name, "profile": digest, "tolerance": repr(float(self.tolerance))}

    def ways(self, nodes: Sequence[Node], stored: Container[Value], loose: Container[Value] = ()) -> tuple[Choice, ...]:
        """The ways to compute a step.

        Args:
            nodes: In their order; of a step that computes, not one that moves no byte or only copies.
            stored: The values of these nodes that the plan stores.
            loose: Stored values that do not lie in row-major order.

        Returns:
            One way at least, the first with the least scratch, the last with the least time.

        Raises:
            CnnirError: ``workspace-unknown`` naming the node of which nothing is known.
        """
        if self.name == NONE:
            return FREE
        if self.profile is not None and self.channels_last:
            offered = channels_last_front(nodes, stored, self.profile, tolerance=self.tolerance)
            if offered:
                return offered
        figure = step_workspace(nodes, stored, loose)
        if isinstance(figure, Unknown):
            hint = f'plan with workspace="{NONE}": the plan then says that workspace is not counted'
            raise CnnirError("workspace-unknown", figure.reason, hint=hint)
        if self.profile is None or not _is_plain(nodes, stored, loose):
            return (Choice(KERNEL, figure, None),)
        (node,) = nodes
        found = front(node.op, Call.of(node), self.profile, tolerance=self.tolerance, runnable=self.channels_last)
        assert not isinstance(found, Unknown)  # noqa: S101  its workspace is known
        return found

    def least(self, steps: Iterable[tuple[Sequence[Node], Container[Value]]], loose: Container[Value] = ()) -> int:
        """Bytes of the least scratch that any of some steps, each its nodes and what it stores, can be computed in."""
        return min(self.ways(nodes, stored, loose)[0].scratch_bytes for nodes, stored in steps)

    def rule(self, weight_bytes: int) -> str:
        """The words of the accounting rule.

        Args:
            weight_bytes: What the ways that were taken keep of weights in forms of their own.
        """
        if self.name == NONE:
            return "activations only: weights and the kernels' own workspace are not counted"
        if self.profile is None:
            return "activations and the workspace that the interpreter's kernels take: weights are not counted"
        whose = "that compiled programs have" if self.channels_last else "that the interpreter may not have"
        forms = f", nor {weight_bytes:,} bytes of them kept in other forms" if weight_bytes else ""
        return (
            f"activations and workspace, by the cost profile {self.name}, of ways {whose}: "
            f"weights are not counted{forms}"
        )


UNCOUNTED = Counting()
"""The kernels take their workspace outside of the arena."""


def _is_plain(nodes: Sequence[Node], stored: Container[Value], loose: Container[Value]) -> bool:
    """One node, all of whose values lie in the plan, in rows."""
    if len(nodes) != 1 or not all(value in stored for value in nodes[0].outputs):
        return False
    return not any(value in loose for value in (*nodes[0].operands, *nodes[0].outputs))


def label(choice: Choice) -> str:
    """A way by name, for `cnnir.plan.Step.algorithm`: what it leaves open in braces."""
    settings = ",".join(f"{name}={number}" for name, number in choice.parameters)
    return f"{choice.algorithm}{{{settings}}}" if settings else choice.algorithm


__all__ = ["FREE", "NONE", "TODAY", "UNCOUNTED", "Counting", "label"]
