"""The workspace that is planned for the kernels of today, against what they allocate."""

import numpy as np
import pytest

from cnnir import Graph
from cnnir.algorithms import Call, Tensor, today, workspaces
from cnnir.interpreter.kernels import convolution, kernels
from cnnir.ops import DEFINED, Conv, Gemm, Op
from cnnir.types import DType, TensorType
from cnnir.weights import Fill
from tests.algorithms.layers import BOUNDED, LAYERS
from tests.algorithms.measuring import HEADERS, Wide, allocated, call_of, prepared
from tests.interpreter.drawing import Case
from tests.interpreter.single_nodes import MAKERS

LARGEST = 4_000_000
"""Bytes of operands and results of drawn nodes that are measured."""

SLACK = 64 * 1024
"""Bytes of NumPy's buffers that may be planned and not taken."""


def figures(case: Case) -> tuple[int, int]:
    """Bytes that were planned, and bytes that were allocated."""
    node, operands, results = prepared(case)
    return workspaces[type(node.op)](node.op, call_of(operands, results)), allocated(node, operands, results)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_take_what_is_planned(name: str, dtype: type[np.generic]) -> None:
    """No more than planned, and no less than nine tenths of it."""
    planned, taken = figures(LAYERS[name].as_type(dtype))
    assert taken <= planned + HEADERS
    assert planned <= 1.12 * taken + SLACK


@pytest.mark.parametrize("name", BOUNDED)
def test_bounded_layers(name: str) -> None:
    """No more than planned, which is less than twice what is taken."""
    planned, taken = figures(BOUNDED[name])
    assert taken <= planned + HEADERS
    assert planned <= 2 * taken + SLACK


@pytest.mark.parametrize("op_class", [op for op in MAKERS if workspaces.find(op)], ids=lambda op: op.__name__)
def test_drawn_nodes_take_no_more_than_planned(op_class: type[Op]) -> None:
    """Nodes of every op, with attributes of all kinds, in three element types."""
    for seed in range(8):
        case = MAKERS[op_class](Wide(seed)).as_type((np.float32, np.float16, np.float64)[seed % 3])
        if sum(x.nbytes for x in case.operands if x is not None) > LARGEST:
            continue
        planned, taken = figures(case)
        assert taken <= planned + HEADERS, case


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_each_op_has_a_figure_or_none(op_class: type[Op]) -> None:
    """Either a rule, or a reason for which the workspace is not known: never a silent 0."""
    assert (workspaces.find(op_class) is None) == (workspaces.exemption(op_class) is not None)


def test_narrow_floats_are_widened_where_the_kernel_does() -> None:
    """A rule adds the wide copies exactly where the kernel makes them."""
    rules = {op: workspaces.find(op) for op in DEFINED}
    differing = [
        op.__name__ for op, rule in rules.items()
        if rule is not None and hasattr(rule, "__wrapped__") != hasattr(kernels[op], "__wrapped__")
    ]  # fmt: skip
    assert not differing


def test_strips_are_those_of_the_kernel() -> None:
    """One figure in two rooms."""
    assert today.windows.STRIP_BYTES == convolution.STRIP_BYTES


def test_fills_are_copied() -> None:
    """A weight that is one number takes no memory until BLAS asks for it."""
    graph = Graph("fills")
    data = graph.add_input("x", TensorType(DType.FLOAT32, (4, 300)))
    weight = graph.add_weight("w", Fill(DType.FLOAT32, (300, 200), np.float32(0.5)))
    graph.set_outputs(graph.add_node(Gemm(), [data, weight]).outputs)
    (node,) = graph.nodes
    call = Call.of(node)
    assert call.input(1).repeated
    planned = workspaces[Gemm](node.op, call)
    assert planned == 4 * 300 * 200
    array = np.broadcast_to(np.float32(0.5), (300, 200))
    taken = allocated(node, [np.ones((4, 300), np.float32), array], [np.empty((4, 200), np.float32)])
    assert planned <= taken <= planned + HEADERS


def test_strided_weights_are_copied_group_by_group() -> None:
    """A weight in another order becomes the matrix of a group."""
    rng = np.random.default_rng(1)
    op, data = Conv((1, 1), (0,) * 4, (1, 1), 2), rng.standard_normal((1, 64, 8, 8)).astype(np.float32)
    turned = rng.standard_normal((3, 3, 32, 64)).astype(np.float32).transpose(3, 2, 0, 1)
    node, operands, results = prepared(Case(op, (data, np.ascontiguousarray(turned))))
    plain = call_of(operands, results)
    strided = Call((plain.inputs[0], Tensor(turned.shape, DType.FLOAT32, strided=True)), plain.outputs)
    rule = workspaces[Conv]
    assert rule(op, strided) - rule(op, plain) == turned.nbytes // 2
    assert allocated(node, [data, turned], results) <= rule(op, strided) + HEADERS
