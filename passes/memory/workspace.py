"""Workspace for the planner: for each step the ways to compute it, from the least scratch to the least time.

Three answers to the question of what workspace counts:

- ``none``: the kernels take theirs outside of the arena, and the plan says so;
- ``today``: what the interpreter takes for the step as it runs it today, one way a step;
- the name of a cost profile: every way that is known of a step of one node, priced by the profile. Steps of several
  nodes, or on values with gaps, have the way of today alone.
"""

from collections.abc import Container, Iterable, Sequence

from cnnir.algorithms import PROFILES, Call, Choice, Profile, Unknown, front, step_workspace
from cnnir.errors import CnnirError
from cnnir.graph import Node, Value
from cnnir.plan import KERNEL

NONE = "none"
TODAY = "today"


def cost_profile(workspace: str) -> Profile | None:
    """The profile that an answer names; None for the answers that name none.

    Raises:
        CnnirError: ``workspace-option`` for another answer.
    """
    if workspace in (NONE, TODAY):
        return None
    if workspace not in PROFILES:
        raise CnnirError(
            "workspace-option", "no such way to count workspace", expected=", ".join((NONE, TODAY, *PROFILES)),
            got=workspace,
        )  # fmt: skip
    return PROFILES[workspace]


def step_fronts(
    steps: Iterable[Sequence[Node]],
    stored: Container[Value],
    workspace: str,
    *,
    loose: Container[Value] = (),
    tolerance: float = 0.0,
    runnable: bool = True,
) -> list[tuple[Choice, ...]]:
    """The ways to compute each step.

    Args:
        steps: The nodes of each, in their order; steps that move no byte, or only copy, are not among them.
        stored: The values that the plan stores.
        workspace: ``none``, ``today`` or the name of a cost profile.
        loose: Stored values that do not lie in row-major order.
        tolerance: The largest error that a way may add to that of plain sums, see `cnnir.algorithms.choose`.
        runnable: Whether only ways count that the interpreter has.

    Returns:
        For each step its front: one way at least, the first with the least scratch, the last with the least time.

    Raises:
        CnnirError: ``workspace-option``; ``workspace-unknown`` naming the node of which nothing is known.
    """
    profile = cost_profile(workspace)
    found: list[tuple[Choice, ...]] = []
    for nodes in steps:
        if workspace == NONE:
            found.append((Choice(KERNEL, 0, None),))
            continue
        figure = step_workspace(nodes, stored, loose)
        if isinstance(figure, Unknown):
            hint = f"plan with workspace={NONE}: the plan then says that workspace is not counted"
            raise CnnirError("workspace-unknown", figure.reason, hint=hint)
        if profile is None or not _is_plain(nodes, stored, loose):
            found.append((Choice(KERNEL, figure, None),))
            continue
        (node,) = nodes
        ways = front(node.op, Call.of(node), profile, tolerance=tolerance, runnable=runnable)
        assert not isinstance(ways, Unknown)  # noqa: S101  its workspace is known
        found.append(ways)
    return found


def _is_plain(nodes: Sequence[Node], stored: Container[Value], loose: Container[Value]) -> bool:
    """One node, all of whose values lie in the plan, in rows."""
    if len(nodes) != 1 or not all(value in stored for value in nodes[0].outputs):
        return False
    return not any(value in loose for value in (*nodes[0].operands, *nodes[0].outputs))
