"""The ways of running a network: freely, step by step in the planned arena, or compiled."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnir import interpreter
from cnnir.algorithms import PROFILES, SERVER
from cnnir.cli import workspace
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter import Done, Fallback, Program, Watch
from cnnir.interpreter.feeds import checked_feed
from cnnir.passes.memory import fastest
from cnnir.passes.memory.fastest import TOLERANCES
from cnnir.plan import KERNEL, MemoryPlan
from cnnir.units import format_bytes
from cnnir.weights import AnyArray


def add_arguments(parser: ArgumentParser) -> None:
    """``--planned``, ``--fast``, ``--plan``, and what belongs to them."""
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--planned", action="store_true", help="run step by step in the planned arena")
    ways.add_argument("--fast", action="store_true", help="compile the fastest plan, and run that")
    ways.add_argument("--plan", metavar="FILE.json", help="compile the plan in that file (cnnir plan --json -o FILE)")
    parser.add_argument(
        "--precision", choices=tuple(TOLERANCES),
        help="with --fast: exact for plain sums alone, fast for algorithms too that trade digits for time "
        "(default: fast)",
    )  # fmt: skip
    parser.add_argument(
        "--costs", metavar="PROFILE",
        help=f"with --fast: the cost profile that says what is fast: {', '.join(PROFILES)}, or FILE.json "
        f"(default: {SERVER.name})",
    )  # fmt: skip


@dataclass(frozen=True)
class Way:
    """How a network is run.

    Attributes:
        graph: The network, its dims bound where it is planned.
        plan: Of it; None for a free run.
        program: That plan compiled; None where it is not.
        fallback: Says whether nodes may be left to another library, and records which were.
    """

    graph: Graph
    plan: MemoryPlan | None
    program: Program | None
    fallback: Fallback

    def run(
        self, feed: Mapping[str, AnyArray], names: Sequence[str] | None = None, watch: Watch | None = None
    ) -> dict[str, AnyArray]:
        """The values of these names; the outputs when None.

        Raises:
            CnnirError: from the run; ``value-unstored`` for a value that lies inside of a fused step.
        """
        if self.program is None:
            return interpreter.run(self.graph, feed, names, self.plan, self.fallback, watch=watch)
        if names is None:
            return self.program(feed, watch=watch)
        return _picked(self.program, feed, names, watch)

    def told(self) -> str | None:
        """A line on the memory that it ran in."""
        if self.plan is None:
            return None
        arena = f"an arena of {format_bytes(self.plan.arena_bytes)}"
        if self.program is None:
            return f"ran in {arena}; kernels took their own workspace outside of it"
        kernels = sum(step.algorithm == KERNEL for step in self.plan.steps)
        by_kernels = f"{kernels} of {len(self.plan.steps)} steps by kernels, whose own workspace lies outside of it"
        outside = f"; {by_kernels}" if kernels else ""
        return f"ran compiled in {arena}{outside}"


def way(graph: Graph, feed: Mapping[str, AnyArray], options: Namespace, *, compiled: bool = False) -> Way:
    """The way that the arguments ask for.

    Args:
        graph: The network.
        feed: Its inputs, whose shapes bind open dims.
        options: The arguments.
        compiled: Whether any plan is to be compiled.

    Raises:
        CnnirError: ``usage``, ``file-read``, ``plan-syntax`` and the like for a file that holds no plan,
            ``plan-mismatch`` for the plan of another network; what planning and compiling raise.
    """
    for name in ("precision", "costs"):
        if getattr(options, name) is not None and not options.fast:
            raise CnnirError("usage", f"--{name} is about how the fastest plan is made", hint="give --fast as well")
    fallback = Fallback(allowed=not options.no_fallback)
    if not (options.planned or options.fast or options.plan):
        return Way(graph, None, None, fallback)
    _, bindings = checked_feed(graph, feed)
    graph = graph.bind(**bindings) if bindings else graph
    plan = _planned(graph, options)
    program = Program(graph, plan, fallback) if compiled or not options.planned else None
    return Way(graph, plan, program, fallback)


def _planned(graph: Graph, options: Namespace) -> MemoryPlan:
    if options.planned:
        return graph.plan()
    if options.plan:
        return _read(options.plan)
    costs = SERVER if options.costs is None else workspace.profile(options.costs)
    return fastest(graph, profile=costs, precision=options.precision or "fast")


def _read(file: str) -> MemoryPlan:
    try:
        text = Path(file).read_text(encoding="utf-8-sig")  # some editors put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise CnnirError("file-read", "the plan cannot be read", node=file, got=error) from None
    try:
        return MemoryPlan.from_json(text)
    except CnnirError as error:
        raise error.at(file) from None


def _picked(
    program: Program, feed: Mapping[str, AnyArray], names: Sequence[str], watch: Watch | None
) -> dict[str, AnyArray]:
    """Values of a compiled run: others take their places later, so each is copied as soon as it is there."""
    wanted = {name: program.graph.value(name) for name in names}
    found = {name: np.array(value.weight.array()) for name, value in wanted.items() if value.weight is not None}
    found |= {name: feed[name].copy() for name in wanted if name in feed}
    for name in wanted:
        if name not in found and program.plan.values[name].pieces is None:
            raise CnnirError("value-unstored", "the plan never stores this value: a fused step makes and reads it",
                             node=name, hint="ask for the output of that step, or run it without the plan")  # fmt: skip

    def keep(done: Done) -> None:
        found.update((name, array.copy()) for name, array in done.made.items() if name in wanted)
        if watch is not None:
            watch(done)

    program(feed, watch=keep)
    return {name: found[name] for name in names}


__all__ = ["Way", "add_arguments", "way"]
