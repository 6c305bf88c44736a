"""What holds for the plan of any network."""

import itertools
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from cnnir.builder import GraphBuilder
from cnnir.dims import symbol
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Add, GlobalMaxPool, Relu, Sigmoid, Transpose
from cnnir.passes.memory import known_bytes
from cnnir.plan import MemoryPlan
from cnnir.types import DType, TensorType
from cnnir.weights import AnyArray
from tests.plan import oracle, plans
from tests.random_graphs import random_graph

ALIGNMENTS = (4, 8, 16, 32, 64, 128, 256)

OPTIONS = st.fixed_dictionaries(
    {
        "alignment": st.sampled_from(ALIGNMENTS),
        "in_place": st.booleans(),
        "count_inputs": st.booleans(),
        "count_outputs": st.booleans(),
        "order": st.sampled_from(["file", "auto"]),
    }
)


def random_dag(rng: np.random.Generator, nodes: int) -> Graph:
    """Elementwise layers wired at random: much is in place, much lives long, some is never read."""
    graph = Graph("dag")
    kind = TensorType(DType.FLOAT32, (int(rng.integers(1, 40)),))
    values: list[Value] = [graph.add_input(f"x{index}", kind) for index in range(int(rng.integers(1, 4)))]
    for _ in range(nodes):
        left, right = (values[int(rng.integers(max(0, len(values) - 6), len(values)))] for _ in range(2))
        op, operands = ((Add(), [left, right]), (Relu(), [left]), (Sigmoid(), [right]))[int(rng.integers(0, 3))]
        values.append(graph.add_node(op, operands).output)
    chosen = rng.permutation(len(values))[: int(rng.integers(1, 4))]
    graph.set_outputs([values[int(index)] for index in chosen])
    return graph


@st.composite
def networks(draw: st.DrawFn, most: int = 25) -> Graph:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return (random_dag if draw(st.booleans()) else random_graph)(rng, draw(st.integers(1, most)))


def feed(graph: Graph, seed: int = 0) -> dict[str, AnyArray]:
    rng = np.random.default_rng(seed)
    shapes = {value.name: value.type.shape for value in graph.inputs if isinstance(value.type, TensorType)}
    return {
        name: rng.standard_normal([int(str(dim)) for dim in shape]).astype(np.float32) for name, shape in shapes.items()
    }


def assert_same_run(graph: Graph, plan: MemoryPlan) -> None:
    given = feed(graph)
    free, planned = graph.run(given), graph.run(given, plan=plan)
    assert free.keys() == planned.keys()
    for name, array in free.items():
        np.testing.assert_array_equal(planned[name], array, strict=True)


def largest_step(graph: Graph) -> int:
    """Bytes that some node reads and makes, views and elementwise results counted once."""
    sizes = []
    for node in graph.nodes:
        read = {value: known_bytes(value) for value in node.operands if value.weight is None}
        made = [] if node.op.view or node.op.in_place else [known_bytes(value) for value in node.outputs]
        sizes.append(sum(read.values()) + sum(made) if made else max(read.values(), default=0))
    return max(sizes)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(networks(), OPTIONS)
def test_every_plan_holds(graph: Graph, options: dict[str, Any]) -> None:
    plan = graph.plan(**options)
    plan.check(graph)
    assert oracle.complaint(graph, plan.to_json()) is None
    living = [(s, t) for s, t in itertools.combinations(plan.storages, 2) if plans.alive_together(s, t)]
    assert all(s.end <= t.offset or t.end <= s.offset for s, t in living)
    assert all(storage.offset % options["alignment"] == 0 for storage in plan.storages if storage.aligned)
    assert all(pool.alignment == options["alignment"] for pool in plan.pools)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(networks(), OPTIONS)
def test_figures_stand_in_order(graph: Graph, options: dict[str, Any]) -> None:
    plan = graph.plan(**options)
    order = plan.bounds["order"]
    assert plan.arena_bytes >= plan.lower_bound == order.reached >= order.bytes
    assert (plan.status == "optimal") == (plan.arena_bytes == plan.lower_bound)
    if options["count_inputs"] and options["count_outputs"] and isinstance(options["order"], str):
        distinct = {value for node in graph.nodes for value in (*node.operands, *node.outputs) if value.weight is None}
        assert plan.arena_bytes >= largest_step(graph)
        assert plan.lower_bound <= sum(known_bytes(value) for value in {*distinct, *graph.inputs})


@settings(max_examples=40, deadline=None, derandomize=True)
@given(networks(), OPTIONS)
def test_the_same_question_has_the_same_answer(graph: Graph, options: dict[str, Any]) -> None:
    first = graph.plan(**options)
    assert graph.plan(**options) == first
    assert graph.clone().plan(**options).to_json() == first.to_json()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(networks(), st.sampled_from(ALIGNMENTS))
def test_in_place_never_needs_more(graph: Graph, alignment: int) -> None:
    shared, apart = (graph.plan(in_place=in_place, alignment=alignment) for in_place in (True, False))
    assert shared.lower_bound <= apart.lower_bound
    assert all(not step.donations for step in apart.steps)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(networks(), st.sampled_from(ALIGNMENTS))
def test_what_the_caller_keeps_is_not_in_the_arena(graph: Graph, alignment: int) -> None:
    whole = graph.plan(alignment=alignment)
    assert len(whole.pools) == 1
    for inputs, outputs in ((False, True), (True, False), (False, False)):
        plan = graph.plan(alignment=alignment, count_inputs=inputs, count_outputs=outputs)
        assert plan.lower_bound <= whole.lower_bound
        counted = {pool.name for pool in plan.pools if pool.counted}
        for names, stays in ((plan.inputs, inputs), (plan.outputs, outputs)):
            pools = {piece.pool for name in names for piece in plan.values[name].pieces or ()}
            assert stays or not pools & counted
        assert plan.arena_bytes == sum(pool.bytes for pool in plan.pools if pool.counted)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(networks(most=15), OPTIONS)
def test_a_planned_run_gives_the_same_numbers(graph: Graph, options: dict[str, Any]) -> None:
    assert_same_run(graph, graph.plan(**options))


# Orders


def another_order(graph: Graph, rng: np.random.Generator) -> list[str]:
    """A topological order drawn at random."""
    done: set[Value] = {value for value in graph.values if value.producer is None}
    left: list[Node] = list(graph.nodes)
    names = []
    while left:
        ready = [node for node in left if all(value in done for value in node.operands)]
        node = ready[int(rng.integers(0, len(ready)))]
        left.remove(node)
        done.update(node.outputs)
        names.append(node.name)
    return names


@settings(max_examples=40, deadline=None, derandomize=True)
@given(networks(most=12), st.integers(0, 2**32))
def test_any_executable_order_is_taken(graph: Graph, seed: int) -> None:
    order = another_order(graph, np.random.default_rng(seed))
    plan = graph.plan(order=order)
    assert list(plan.order) == order
    assert oracle.complaint(graph, plan.to_json()) is None
    assert_same_run(graph, plan)


@pytest.mark.parametrize("name", ["residual", "views"])
def test_an_order_that_cannot_be_executed_is_refused(name: str) -> None:
    graph = plans.graphs()[name]
    names = [node.name for node in graph.nodes]
    for first, second in itertools.pairwise(graph.nodes):
        at = names.index(first.name)
        swapped = [*names[:at], second.name, first.name, *names[at + 2 :]]
        if set(first.outputs) & set(second.operands):
            with pytest.raises(CnnirError, match=r"before .* makes") as caught:
                graph.plan(order=swapped)
            assert caught.value.code == "order-dependency"
            assert caught.value.node == second.label
        else:
            assert list(graph.plan(order=swapped).order) == swapped


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ([], "order-nodes"),
        (["relu"], "order-nodes"),
        (["relu", "relu"], "order-nodes"),
        (["relu", "sum", "sum"], "order-nodes"),
        (["sum", "relu"], "order-dependency"),
        (["relu", "nobody"], "node-unknown"),
        ("fastest", "order"),
    ],
)
def test_what_is_no_order(order: str | list[str], code: str) -> None:
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.FLOAT32, (3,)))
    relu = graph.add_node(Relu(), [x]).output
    graph.set_outputs([graph.add_node(Add(), [relu, x], name="sum").output])
    with pytest.raises(CnnirError) as caught:
        graph.plan(order=order)
    assert caught.value.code == code


# Alignment and refusals


def test_alignments_from_1_to_256() -> None:
    """Powers of two that the elements can live with are taken, all others are refused."""
    graph = plans.views_and_chains()
    taken = []
    for alignment in range(1, 257):
        try:
            plan = graph.plan(alignment=alignment)
        except CnnirError as error:
            assert error.code == "alignment"  # noqa: PT017  most are refused
            continue
        taken.append(alignment)
        assert all(storage.offset % alignment == 0 for storage in plan.storages)
    assert taken == [4, 8, 16, 32, 64, 128, 256]


@pytest.mark.parametrize("alignment", [0, -1, -64])
def test_an_alignment_is_positive(alignment: int) -> None:
    with pytest.raises(CnnirError) as caught:
        plans.views_and_chains().plan(alignment=alignment)
    assert caught.value.code == "alignment"


def test_bytes_may_lie_anywhere() -> None:
    """Elements of one byte ask for no alignment."""
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.INT8, (3,)))
    y = graph.add_node(Relu(), [x]).output
    graph.set_outputs([graph.add_node(Add(), [x, y]).output])
    plan = graph.plan(alignment=1)
    assert plan.arena_bytes == plan.lower_bound == 6
    assert oracle.complaint(graph, plan.to_json()) is None


def test_a_graph_without_nodes_has_no_plan() -> None:
    graph = Graph()
    graph.set_outputs([graph.add_input("x", TensorType(DType.FLOAT32, (3,)))])
    with pytest.raises(CnnirError) as caught:
        graph.plan()
    assert caught.value.code == "plan-empty"


def test_symbolic_sizes_are_refused_with_the_symbol_to_bind() -> None:
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.FLOAT32, (symbol("N"), 3)))
    graph.set_outputs([graph.add_node(Relu(), [x]).output])
    with pytest.raises(CnnirError, match="bind N first") as caught:
        graph.plan()
    assert caught.value.code == "dims-unbound"
    assert graph.bind(N=2).plan().arena_bytes > 0


def test_no_input_and_no_output_is_written_over() -> None:
    """An input belongs to the caller, an output to the end, though both may be read in place."""
    for graph in plans.graphs().values():
        plan = graph.plan()
        from_caller = {piece.storage for name in plan.inputs for piece in plan.values[name].pieces or ()}
        for step in plan.steps:
            for source, _ in step.donations:
                assert source not in plan.outputs
                assert from_caller.isdisjoint(piece.storage for piece in plan.values[source].pieces or ())


def test_what_the_caller_keeps_is_his_throughout() -> None:
    """An output with the caller does not lie over an input there, however early that was read last."""
    builder = GraphBuilder("interface")
    x = builder.input("x", (1, 4, 4, 4))
    graph = builder.build(builder.relu(builder.conv(builder.relu(x), 4, kernel=1)))
    plan = graph.plan(count_inputs=False, count_outputs=False)
    assert plan.pool("interface").bytes == 2 * 4 * 4 * 4 * 4
    assert all(
        (storage.first, storage.last) == (0, len(plan.steps) - 1)
        for storage in plan.storages
        if storage.pool == "interface"
    )


def test_a_bound_over_all_orders_holds_for_all_orders() -> None:
    """Which results are written in place depends on the order; the bound may not rest on one of them."""
    graph = Graph("orders")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4, 8, 8)))
    turned = graph.add_node(Transpose((0, 1, 3, 2)), [x], name="turned").output
    relu = graph.add_node(Relu(), [turned], name="relu").output
    one = graph.add_node(GlobalMaxPool(), [relu], name="one").output
    other = graph.add_node(GlobalMaxPool(), [turned], name="other").output
    graph.set_outputs([one, other])
    nodes = [node.name for node in graph.nodes]
    arenas = {}
    for order in itertools.permutations(nodes):
        try:
            plan = graph.plan(order=order, alignment=4, count_inputs=False, count_outputs=False)
        except CnnirError:
            continue
        arenas[order] = plan.arena_bytes
        assert plan.bounds["order"].bytes <= min(arenas.values())
    assert len(set(arenas.values())) > 1, "the order matters here"


def test_empty_tensors_are_planned() -> None:
    """A dim of 0, wherever it stands."""
    for shape in ((0, 4), (4, 0), (2, 0, 3)):
        graph = Graph("empty")
        x = graph.add_input("x", TensorType(DType.FLOAT32, shape))
        graph.set_outputs([graph.add_node(Relu(), [x]).output])
        plan = graph.plan()
        assert plan.arena_bytes == 0
        assert graph.run({"x": np.zeros(shape, np.float32)}, plan=plan)["relu"].shape == shape
