"""A graph with its plan, ready to be run again and again: one buffer a pool, every view made once, then calls alone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import TypeAlias

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.interpreter.arena import Arena
from cnnir.interpreter.executor import compute
from cnnir.interpreter.fallback import Fallback
from cnnir.interpreter.feeds import checked_feed
from cnnir.interpreter.lowering import Call, Context, joined, lower, lowerings, parse
from cnnir.interpreter.profiling import REPEAT, RunProfile, profile
from cnnir.interpreter.watching import Done, Watch
from cnnir.plan import JOIN, KERNEL, VIEW, MemoryPlan, Step
from cnnir.text import digest
from cnnir.weights import AnyArray

BUFFER = 2048
"""Elements that NumPy buffers for an operand that lies in strides: with its own 8192 it is half as fast, as each call
then takes fresh pages from the system."""


Forms: TypeAlias = dict[tuple[str, str], AnyArray]
"""Weights in other forms, by node and by the form's name."""


def weights_of(graph: Graph) -> dict[Value, AnyArray]:
    """The contents of all constants."""
    return {value: value.weight.array() for value in graph.weights if value.weight is not None}


class Program:
    """What runs a plan.

    It may be called from several threads: each call has an arena of its own, which later calls use again.

    Attributes:
        graph, plan: What is run.
        weights: The constants, as the model has them.
        fallback: Who is told of nodes that another library computes; None allows them.
    """

    def __init__(
        self, graph: Graph, plan: MemoryPlan, fallback: Fallback | None = None, *, like: "Program | None" = None
    ) -> None:
        """Check the plan and prepare the weights.

        Args:
            graph: All dims known.
            plan: Of this graph.
            fallback: Says whether nodes may be left to another library, and records in each run which were.
            like: Another program of this graph: weights, and their forms, are shared with it.

        Raises:
            CnnirError: ``plan-mismatch``, ``plan-…`` for a plan that does not hold, ``plan-unsupported``.
        """
        if plan.digest != (expected := digest(graph)):
            raise CnnirError(
                "plan-mismatch", "the plan was made for another graph", expected=expected[:12], got=plan.digest[:12]
            )
        plan.check(graph)
        self.graph, self.plan, self.fallback = graph, plan, fallback
        if like is not None and like.graph is not graph:
            raise CnnirError("program-like", "weights are shared with a program of the same graph", got=like.graph.name)
        self.weights: dict[Value, AnyArray] = like.weights if like is not None else weights_of(graph)
        self._forms: Forms = like._forms if like is not None else {}
        self._lock = Lock()
        self._idle = [Run(self)]

    def __call__(
        self, feed: Mapping[str, AnyArray], *, poison: bool = False, watch: Watch | None = None
    ) -> dict[str, AnyArray]:
        """Run.

        Args:
            feed: An array for each input, by name.
            poison: Spoil all bytes of the pools that hold nothing needed before each step. Slow.
            watch: Is told after each step which stored values it has made.

        Returns:
            The outputs by name, arrays of the caller's own.

        Raises:
            CnnirError: for a feed that does not fit, ``fallback-refused``.
        """
        fed, _ = checked_feed(self.graph, feed)
        with self.running() as run:
            return run(fed, poison=poison, watch=watch)

    def profile(self, feed: Mapping[str, AnyArray], repeat: int = REPEAT) -> RunProfile:
        """Where the time of a run goes; see `cnnir.interpreter.profiling.profile`."""
        return profile(self, feed, repeat)

    @contextmanager
    def running(self) -> "Iterator[Run]":
        """An arena with its calls that nobody else has meanwhile."""
        with self._lock:
            run = self._idle.pop() if self._idle else None
        run = run or Run(self)
        try:
            yield run
        finally:
            with self._lock:
                self._idle.append(run)

    @property
    def form_bytes(self) -> int:
        """What the weights take in forms of their own, beside the model's."""
        return sum(form.nbytes for form in self._forms.values())

    def context(self, arena: Arena) -> Context:
        """The values of the graph in an arena."""
        names = {value.name: value for value in self.graph.values}
        arrays = {names[name]: array for name, array in arena.arrays.items()}
        return Context(arrays, self.weights, self._forms)


class Run:
    """One arena with the calls that work in it.

    Attributes:
        plan, graph, fallback: The program's.
        arena: Where every stored value lies.
        steps: The calls of each step of the plan.
        outputs: The graph's, at their places.
    """

    def __init__(self, program: Program) -> None:
        self.plan, self.graph, self.fallback = program.plan, program.graph, program.fallback
        self.arena = Arena(program.plan)
        context = program.context(self.arena)
        self.steps = [list(self._lowered(number, step, context)) for number, step in enumerate(self.plan.steps)]
        self.calls = [call for step in self.steps for call in step]
        self.outputs = {value.name: context.find(value) for value in self.graph.outputs}

    def __call__(
        self, fed: Mapping[str, AnyArray], *, poison: bool = False, watch: Watch | None = None
    ) -> dict[str, AnyArray]:
        self.feed(fed)
        with self.settings():
            if poison or watch is not None:
                self._step_by_step(watch, poison=poison)
            else:
                for call in self.calls:
                    call()
        return {name: array.copy(order="C") for name, array in self.outputs.items() if array is not None}

    def feed(self, fed: Mapping[str, AnyArray]) -> None:
        """Put the inputs at their places."""
        for name, array in fed.items():
            np.copyto(self.arena.arrays[name], array)

    @staticmethod
    @contextmanager
    def settings() -> Iterator[None]:
        """How NumPy is set while the calls run, in this context alone."""
        # Overflow, infinities and NaN are values like others: as IEEE 754 has it, and no reason to warn.
        with np.errstate(all="ignore"):
            np.setbufsize(BUFFER)
            yield

    def _step_by_step(self, watch: Watch | None, *, poison: bool) -> None:
        for number in self.arena.poisoned() if poison else range(len(self.steps)):
            for call in self.steps[number]:
                call()
            if watch is not None:
                made = {name: self.arena.arrays[name] for name in self.plan.steps[number].writes}
                watch(Done(number + 1, len(self.steps), made))

    def _lowered(self, number: int, step: Step, context: Context) -> Iterator[Call]:
        nodes = [self.graph.node(name) for name in step.nodes]
        if step.algorithm == VIEW:
            return
        if step.algorithm == JOIN:
            yield from joined(nodes[0], context)
        elif step.algorithm == KERNEL:
            yield partial(compute, nodes, self.arena.arrays, self.fallback, ())
        elif self.plan.options.get("layout") == "rows" or parse(step.algorithm)[0] not in (*lowerings, "elementwise"):
            raise CnnirError(
                "plan-unsupported", "the interpreter has no such way to compute it", got=step.algorithm,
                node=f"step {number} ({step.label})", hint='plan with workspace="today"',
            )  # fmt: skip
        else:
            try:
                yield from lower(nodes, step.algorithm, self.arena.scratch(step), context)
            except CnnirError as error:
                raise error.at(f"step {number} ({step.label})") from error.__cause__


__all__ = ["Program", "Run"]
