"""What a planner can be asked for, drawn at random, and whether what runs by its plan is what the graph says."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.interpreter import seeded_feed
from cnnir.passes.memory import Memory
from cnnir.plan import JOIN, KERNEL, VIEW, MemoryPlan
from cnnir.types import TensorType, known_shape
from cnnir.weights import AnyArray

CLOSE = 1e-3
"""Of the largest element of a result: how far sums taken in another order, and fast algorithms, may be from it."""

LARGEST = 1e30
"""A result beyond it has, on its way, come near to what float32 holds: sums in another order end elsewhere."""


def drawn_options(graph: Graph, rng: np.random.Generator) -> dict[str, Any]:
    """Arguments of `graph.plan`, all of them drawn; no two that exclude each other."""
    views = bool(rng.random() < 0.8)
    workspace = str(rng.choice(["none", "none", "today", "server"]))
    options: dict[str, Any] = {
        "order": str(rng.choice(["auto", "auto", "file"])) if rng.random() < 0.85 else _drawn_order(graph, rng),
        "fuse": str(rng.choice(["none", "epilogues", "steps", "aggressive"])),
        "concat": (None, None, views, False)[int(rng.integers(4))],
        "views": views,
        "strided": bool(rng.integers(2)),
        "alignment": int(rng.choice([4, 16, 64, 256])),
        "in_place": _drawn_in_place(graph, rng),
        "count_inputs": bool(rng.integers(2)),
        "count_outputs": bool(rng.integers(2)),
        "layout": str(rng.choice(["rows", "channels-last"])),
        "workspace": workspace,
        "tolerance": float(rng.choice([0, 1e-4])) if workspace == "server" else 0.0,
    }
    if workspace == "server":
        options["goal"] = ("memory", "memory", "time", int(rng.integers(1 << 18)))[int(rng.integers(4))]
    if workspace != "server" and rng.random() < 0.15:
        options["pools"] = _drawn_memories(graph, rng)
    return options


def _drawn_order(graph: Graph, rng: np.random.Generator) -> list[str]:
    """All nodes in any order in which each runs behind those that it needs."""
    there = {value for value in graph.values if value.producer is None}
    waiting, order = list(graph.nodes), list[str]()
    while waiting:
        ready = [node for node in waiting if there.issuperset(node.operands)]
        node = ready[int(rng.integers(len(ready)))]
        waiting.remove(node)
        there.update(node.outputs)
        order.append(node.name)
    return order


def _drawn_in_place(graph: Graph, rng: np.random.Generator) -> bool | list[str]:
    if rng.random() < 0.7:
        return bool(rng.integers(4))
    return [node.name for node in graph.nodes if rng.integers(2)]


def _drawn_memories(graph: Graph, rng: np.random.Generator) -> list[Memory]:
    """A small one and one without a limit, now and then one in between: everything has a place."""
    largest = max(_bytes(value) for value in graph.values if value.weight is None)
    fast = Memory("fast", int(largest * rng.uniform(0.3, 3)))
    bank = Memory("bank", int(largest * rng.uniform(0.3, 3)), 1, int(rng.choice([16, 128])))
    slow = Memory("slow", None, 2)
    return [fast, bank, slow] if rng.integers(2) else [fast, slow]


def _bytes(value: Value) -> int:
    assert isinstance(value.type, TensorType)
    return int(np.prod(known_shape(value.type.shape, value.name))) * value.type.dtype.numpy.itemsize


def wrong_runs(graph: Graph, plan: MemoryPlan, met: dict[str, int]) -> Iterator[str]:
    """What is wrong with what comes out of runs by the plan, by the executor and compiled.

    All that holds nothing needed is spoilt before each step. By kernels over rows the bits are those of a free run;
    else sums are taken in another order, and results may differ by their rounding.

    Args:
        graph: Its inputs are drawn.
        plan: Proved.
        met: How many runs there were, by what they were.
    """
    fed = seeded_feed(graph, 0)
    free = graph.run(fed)
    by_kernels = all(step.algorithm in (KERNEL, VIEW, JOIN) for step in plan.steps)
    if by_kernels:
        met["runs by the executor"] += 1
        poisoned = graph.run(fed, plan=plan, poison=True)
        yield from _differences("the executor, spoilt", free, poisoned, exact=_in_rows(plan))
        yield from _differences("the executor", graph.run(fed, plan=plan), poisoned, exact=True)
    try:
        program = graph.compile(plan)
    except CnnirError as error:
        if error.code != "plan-unsupported" or by_kernels:
            yield f"it is not compiled: {error}"
        elif plan.options.get("layout") == "channels-last":
            yield f"it is not compiled, though its ways are to be runnable: {error}"
        met["plans in ways that the interpreter lacks"] += 1
        return
    met["runs compiled"] += 1
    spoilt = program(fed, poison=True)
    yield from _differences("the program, spoilt", free, spoilt, exact=by_kernels and _in_rows(plan))
    yield from _differences("the program", program(fed), spoilt, exact=True)


def _in_rows(plan: MemoryPlan) -> bool:
    return plan.options.get("layout", "rows") == "rows"


def _differences(
    who: str, expected: Mapping[str, AnyArray], found: Mapping[str, AnyArray], *, exact: bool
) -> Iterator[str]:
    for name, array in expected.items():
        if np.array_equal(found[name], array, equal_nan=True):
            continue
        if exact:
            yield f"{name} by {who} is not, bit by bit, what it has to be"
            continue
        with np.errstate(all="ignore"):
            largest = float(np.max(np.abs(array), initial=0))
            error = float(np.max(np.abs(found[name].astype(np.float64) - array), initial=0))
        if largest < LARGEST and not error <= CLOSE * largest:
            yield f"{name} by {who} is {error:.3g} off, where the largest is {largest:.3g}"
