"""Choosing among the ways to compute a node: the fastest within a limit, and all between which a planner may trade."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

from cnnir.algorithms.base import Call
from cnnir.algorithms.channels_last.ways import step_ways
from cnnir.algorithms.profile import Profile
from cnnir.algorithms.ways import Unknown, Way, ways
from cnnir.graph import Node, Value
from cnnir.ops.base import Op


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to compute a node, with its price.

    Attributes:
        algorithm: Name, for `cnnir.plan.Step.algorithm`.
        scratch_bytes: Bytes beside operands and results.
        seconds: By the profile; None where the way's work is not estimated.
        parameters: (name, number), what the algorithm leaves open.
        weight_bytes: What its weights take in the form that it needs, beside the model's own; 0 for those.
        error: Largest error over the largest result, where it exceeds that of plain sums.
        fits: Whether the scratch is within the limit that was set.
    """

    algorithm: str
    scratch_bytes: int
    seconds: float | None
    parameters: tuple[tuple[str, int], ...] = ()
    weight_bytes: int = 0
    error: float = 0.0
    fits: bool = True


def choose(
    op: Op,
    call: Call,
    profile: Profile,
    *,
    limit: int | None = None,
    tolerance: float = 0.0,
    runnable: bool = True,
) -> Choice | Unknown:
    """The fastest way within a limit; where none is within it, the one that needs least, which does not fit then.

    Args:
        op: Of the node.
        call: Its operands and results.
        profile: What time is estimated by.
        limit: Most bytes of scratch; None for any.
        tolerance: The largest error, relative to the largest result, that a way may add to that of plain sums: with 0
            no algorithm is taken that trades digits for time.
        runnable: Whether only ways count that the interpreter has.

    Returns:
        The choice, the same one for the same arguments; unknown where the workspace of the op is not known.
    """
    found = offered(op, call, profile, tolerance=tolerance, runnable=runnable)
    if isinstance(found, Unknown):
        return found
    fitting = [choice for choice in found if limit is None or choice.scratch_bytes <= limit]
    if fitting:
        return min(fitting, key=_by_time)
    return replace(min(found, key=_by_scratch), fits=False)


def front(
    op: Op, call: Call, profile: Profile, *, tolerance: float = 0.0, runnable: bool = True
) -> tuple[Choice, ...] | Unknown:
    """All ways that no other one beats in both scratch and time, from the least scratch to the least time.

    Ways whose time is not estimated are on it where nothing needs less scratch. Arguments as for `choose`.
    """
    found = offered(op, call, profile, tolerance=tolerance, runnable=runnable)
    if isinstance(found, Unknown):
        return found
    return _undominated(found)


def _undominated(found: Iterable[Choice]) -> tuple[Choice, ...]:
    kept: list[Choice] = []
    for choice in sorted(found, key=_by_scratch):
        if not kept or _seconds(choice) < _seconds(kept[-1]):
            kept.append(choice)
    return tuple(kept)


def channels_last_front(
    nodes: Sequence[Node], stored: Container[Value], profile: Profile, *, tolerance: float
) -> tuple[Choice, ...]:
    """The same of a step whose maps have their channels innermost; empty where no way is for that."""
    found = step_ways(nodes, stored) or ()
    return _undominated(_priced(way, profile) for way in _allowed(found, tolerance, runnable=True))


def offered(op: Op, call: Call, profile: Profile, *, tolerance: float, runnable: bool) -> tuple[Choice, ...] | Unknown:
    """All ways that are allowed, priced; today's kernel is always among them."""
    found = ways(op, call)
    if isinstance(found, Unknown):
        return found
    return tuple(_priced(way, profile) for way in _allowed(found, tolerance, runnable=runnable))


def _allowed(found: Iterable[Way], tolerance: float, *, runnable: bool) -> Iterable[Way]:
    return (way for way in found if way.error <= tolerance and (way.runs or not runnable))


def _priced(way: Way, profile: Profile) -> Choice:
    seconds = None if way.work is None else profile.seconds(way.work)
    return Choice(way.algorithm, way.scratch, seconds, way.parameters, way.weight_bytes, way.error)


def _seconds(choice: Choice) -> float:
    return float("inf") if choice.seconds is None else choice.seconds


def _by_time(choice: Choice) -> tuple[float, int, str, tuple[tuple[str, int], ...]]:
    return _seconds(choice), choice.scratch_bytes, choice.algorithm, choice.parameters


def _by_scratch(choice: Choice) -> tuple[int, float, str, tuple[tuple[str, int], ...]]:
    return choice.scratch_bytes, _seconds(choice), choice.algorithm, choice.parameters
