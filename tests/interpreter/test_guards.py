"""What a run refuses: plans without proof, opaque values of other types, kernels that cannot compute."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cnnir import CnnirError, GraphBuilder, MemoryPlan
from cnnir.graph import Graph
from cnnir.ops import Conv, ConvTranspose, MaxPool, Op, Pad, Relu, Resize
from cnnir.ops.assembly import PadMode
from cnnir.ops.base import Source
from cnnir.ops.opaque import Definition, Hooks, Opaque, hooks, register_hooks
from cnnir.types import DType, TensorType, Type
from cnnir.weights import AnyArray
from tests.interpreter.judges import assert_close, by_onnxruntime, run
from tests.interpreter.single_nodes import Case

# Plans


def chain() -> Graph:
    """A few layers whose values share a pool."""
    builder = GraphBuilder("chain")
    y = builder.input("x", (1, 3, 8, 8))
    for _ in range(3):
        y = builder.relu(builder.conv(y, 4, kernel=3, padding=1))
    return builder.build(y)


FEED = {"x": np.ones((1, 3, 8, 8), np.float32)}


def test_plan_without_proof() -> None:
    """A plan whose storages overlap is refused before anything is computed."""
    graph = chain()
    plan = json.loads(graph.plan().to_json())
    for storage in plan["storages"]:
        storage["offset"] = 0
    for value in plan["values"].values():
        for piece in value["pieces"]:
            piece["offset"] = 0
    with pytest.raises(CnnirError) as caught:
        graph.run(FEED, plan=MemoryPlan.from_json(json.dumps(plan)))
    assert caught.value.code.startswith("plan-")
    assert caught.value.code != "plan-mismatch"


def test_plan_is_proved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once an object, however often it runs; an equal plan from a file is another object."""
    graph, proofs = chain(), []
    plan = graph.plan()
    original = MemoryPlan.check

    def counting(self: MemoryPlan, of: Graph | None = None) -> None:
        proofs.append(of)
        original(self, of)

    monkeypatch.setattr(MemoryPlan, "check", counting)
    for _ in range(3):
        graph.run(FEED, plan=plan)
    assert proofs == [graph]
    graph.run(FEED, plan=MemoryPlan.from_json(plan.to_json()))
    assert len(proofs) == 2


# Opaque values


def opaque_graph(type_: Type) -> Graph:
    """``y = Other(x)``, declared to be of this type."""
    graph = Graph("opaque")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (2, 3)))
    node = graph.add_node(Opaque("nowhere", "Other", 1), [x], name="other", outputs=["y"])
    node.output.type = type_
    graph.set_outputs([node.output])
    return graph


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what opaque nodes give."""
    before = hooks()

    def evaluate_as(result: AnyArray) -> None:
        def evaluate(op: Opaque, arrays: Sequence[AnyArray | None]) -> list[AnyArray]:
            return [result]

        def define(op: Opaque, sources: tuple[Source | None, ...], read: tuple[bool, ...]) -> Definition | str:
            return op.reason

        register_hooks(Hooks(before.infer, evaluate, define))

    yield evaluate_as
    register_hooks(before)


@pytest.mark.parametrize("planned", [False, True])
@pytest.mark.parametrize(
    ("dtype", "shape", "fits"),
    [
        (np.float32, (2, 3), True),
        (np.float64, (2, 3), False),
        (np.int32, (2, 3), False),
        (np.float32, (3, 2), False),
        (np.float32, (6,), False),
        (np.float32, (1, 3), False),
    ],
)
def test_opaque_type(evaluated: Any, planned: bool, dtype: Any, shape: tuple[int, ...], fits: bool) -> None:
    """Element type and shape must be those of the graph, in a free run as in the arena."""
    graph = opaque_graph(TensorType(DType.FLOAT32, (2, 3)))
    plan = graph.plan() if planned else None
    evaluated(np.ones(shape, dtype))
    feed = {"x": np.zeros((2, 3), np.float32)}
    if fits:
        assert graph.run(feed, plan=plan)["y"].tolist() == [[1.0] * 3] * 2
        return
    with pytest.raises(CnnirError) as caught:
        graph.run(feed, plan=plan)
    assert (caught.value.code, caught.value.node) == ("opaque-type", "other (nowhere::Other)")
    assert "float32[2, 3]" in str(caught.value)


# Kernels


def test_a_kernel_that_fails() -> None:
    """What NumPy raises names the node, and keeps its cause."""
    case = Case(MaxPool((1, 1), (1, 1), (2**40, 0, 2**40, 0)), (np.zeros((1, 1, 2, 2), np.float32),))
    with pytest.raises(CnnirError) as caught:
        run(case)
    assert (caught.value.code, caught.value.node) == ("kernel-failed", "node (MaxPool)")
    assert isinstance(caught.value.__cause__, MemoryError | ValueError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kernel", [1, 3])
def test_convolution_of_no_channels(kernel: int, bias: bool) -> None:
    """The sum over no channels is 0; the bias is what is left."""
    data, weight = np.zeros((1, 0, 4, 4), np.float32), np.zeros((2, 0, kernel, kernel), np.float32)
    biases = np.array([3, 4], np.float32)
    case = Case(Conv((1, 1), (0, 0, 0, 0), (1, 1)), (data, weight, biases if bias else None))
    size = 5 - kernel
    expected = np.zeros((1, 2, size, size), np.float32) + (biases.reshape(2, 1, 1) if bias else 0)
    np.testing.assert_array_equal(run(case)[0], expected)
    np.testing.assert_array_equal(by_onnxruntime(case)[0], expected)


def test_transposed_convolution_of_no_channels() -> None:
    """The same, spread."""
    data, weight = np.zeros((1, 0, 4, 4), np.float32), np.zeros((0, 2, 3, 3), np.float32)
    case = Case(ConvTranspose((1, 1), (0, 0, 0, 0), (1, 1), (0, 0)), (data, weight, np.ones(2, np.float32)))
    np.testing.assert_array_equal(run(case)[0], np.ones((1, 2, 6, 6)))


def nothing(*shape: int) -> AnyArray:
    """No elements."""
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("op", "data", "code"),
    [
        (Resize(None, (1, 1, 3, 2)), nothing(1, 1, 0, 2), "resize-empty"),
        (Resize(None, (1, 1, 3, 2), "linear"), nothing(1, 1, 0, 2), "resize-empty"),
        (Pad((1, 1), "edge"), nothing(0), "pad-edge"),
        (Pad((0, 1), "wrap"), nothing(0), "pad-wrap"),
        (Pad((0, 1), "reflect"), nothing(0), "pad-reflect"),
        (Pad((-5, 4), "edge"), nothing(3), "pad-edge"),
        (Pad((-2, 1), "reflect"), nothing(3), "pad-reflect"),
    ],
    ids=str,
)
def test_nothing_to_take_from(op: Op, data: AnyArray, code: str) -> None:
    """Inference says it, before any kernel."""
    with pytest.raises(CnnirError) as caught:
        Case(op, (data,)).graph()
    assert (caught.value.code, caught.value.node) == (code, f"node ({op.kind})")


def test_nothing_stays_nothing() -> None:
    """Empty axes that stay empty are computed."""
    assert run(Case(Resize(None, (1, 1, 0, 4)), (nothing(1, 1, 0, 2),)))[0].shape == (1, 1, 0, 4)
    assert run(Case(Resize((1.0, 1.0, 2.0, 2.0)), (nothing(1, 1, 0, 2),)))[0].shape == (1, 1, 0, 4)
    assert run(Case(Pad((2, 1)), (nothing(0),)))[0].tolist() == [0.0] * 3
    assert run(Case(Relu(), (nothing(0, 3),)))[0].shape == (0, 3)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_pads_of_both_signs(mode: PadMode) -> None:
    """Padded on one side and cropped on the other, each by any number: as onnxruntime has it, or refused as there."""
    data, compared = np.arange(1, 5, dtype=np.float32), 0
    for pads in itertools.product(range(-6, 7), repeat=2):
        try:
            case = Case(Pad(pads, mode, 9.0 if mode == "constant" else 0.0), (data,))
            got = run(case)
        except CnnirError as error:
            assert error.code in ("pad-crop", f"pad-{mode}"), str(error)  # noqa: PT017  both are looked for
            continue
        if mode != "constant" and len(got[0]) == 0:
            continue  # onnxruntime has no word for it
        assert_close(got, by_onnxruntime(case), case)
        compared += 1
    assert compared >= 30
