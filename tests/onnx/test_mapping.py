"""Every op through every opset and back."""

import functools
from dataclasses import fields, replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, checker, defs

from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.exporters.onnx.mapping import writers
from cnnir.graph import Graph
from cnnir.ops import (
    DEFINED,
    REGISTRY,
    Clip,
    Conv,
    ConvTranspose,
    Dropout,
    Flatten,
    GroupNormalization,
    Op,
    ReduceMean,
    Relu,
    Slice,
    Softmax,
    Squeeze,
    Transpose,
    Unsqueeze,
)
from cnnir.ops.activation import Distribution
from cnnir.text import difference
from tests.interpreter.single_nodes import Case, random_case
from tests.onnx.forms import NEWEST, OPSETS, plain_text

AnyArray = NDArray[Any]

SEEDS = range(8)

LAST_IN_ONNXRUNTIME = 21
"""Beyond it the runtime calls some opsets unfinished."""

onnxruntime.set_default_logger_severity(4)


@functools.cache
def history() -> dict[str, list[int]]:
    """The opsets in which ONNX changed each op."""
    found: dict[str, list[int]] = {}
    for schema in defs.get_all_schemas_with_history():
        if not schema.domain:
            found.setdefault(schema.name, []).append(schema.since_version)
    found["TrainingBatchNormalization"] = found["BatchNormalization"]
    return {name: sorted(versions) for name, versions in found.items()}


def first_opset(op_class: type[Op]) -> int:
    """The first opset in which an op can be written, under the name that it had there."""
    former = {"Resize": "Upsample", "ScatterElements": "Scatter"}
    return max(7, history()[former.get(op_class.__name__, op_class.__name__)][0])


def held(op: Op) -> Op:
    """The op with its numbers as the format holds them, in single precision."""
    floats = {part.name: getattr(op, part.name) for part in fields(op)}
    return replace(op, **{name: float(np.float32(v)) for name, v in floats.items() if isinstance(v, float)})


def checker_departs(op: Op, opset: int) -> bool:
    """True where the checker's shape inference departs from the specification's own text.

    Up to opset 21 it counts pooling windows that start in the padding at the end, and it finds no sizes for a
    transposed convolution whose given sizes are smaller than the input's, or other ones with SAME.
    """
    if isinstance(op, ConvTranspose):
        return op.output_shape is not None or op.auto_pad.startswith("SAME")
    return opset < 22 and bool(getattr(op, "ceil_mode", False))


@functools.cache
def written(name: str, seed: int, opset: int) -> ModelProto | CnnirError:
    """The model of a random node of the op in an opset, or why it cannot be said there."""
    try:
        return write(random_case(REGISTRY[name], seed).graph(), opset=opset)
    except CnnirError as error:
        return error


def several_nodes(op: Op, opset: int) -> bool:
    """Ops that an opset says by several.

    A Softmax over several axes is flattened around the newer one; one axis is brought to the end for the older. Groups
    with a scale each are rows of an InstanceNormalization: GroupNormalization has come to mean channels.
    """
    if isinstance(op, GroupNormalization):
        return op.per_group
    return isinstance(op, Distribution) and (opset >= 13) == (len(op.axes) > 1)


# Through every opset


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_every_opset_and_back(op_class: type[Op]) -> None:
    """What is written passes the full check, and reads back as the same op in the same text."""
    returned = 0
    for opset in OPSETS:
        for seed in SEEDS:
            case, model = random_case(op_class, seed), written(op_class.__name__, seed, opset)
            if isinstance(model, CnnirError):
                continue
            assert model.opset_import[0].version == opset
            checker.check_model(model, full_check=not checker_departs(case.op, opset))
            again = read(model)
            if len(again.nodes) == 1:
                expected = replace(held(case.op), **front_axis(case, opset))
                assert again.nodes[0].op == expected, (opset, str(case))
                graph = with_op(case, expected)
                assert plain_text(again) == plain_text(graph)
                assert difference(again, read(write(again))) is None
                returned += 1
            else:
                assert several_nodes(case.op, opset), (opset, str(case))
    assert returned >= len(SEEDS)


def front_axis(case: Case, opset: int) -> dict[str, int]:
    """Before opset 11 the axis of a Flatten counts from the front."""
    (first, *_) = case.operands
    if isinstance(case.op, Flatten) and case.op.axis < 0 and opset < 11 and first is not None:
        return {"axis": case.op.axis + first.ndim}
    return {}


def with_op(case: Case, op: Op) -> Graph:
    """The case's graph with another op."""
    return replace(case, op=op).graph()


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_a_later_opset_never_says_less(op_class: type[Op]) -> None:
    """What cannot be said in an opset could not be said before it either; all can be said in the newest."""
    for seed in SEEDS:
        refused = [opset for opset in OPSETS if isinstance(written(op_class.__name__, seed, opset), CnnirError)]
        assert refused == list(range(7, 7 + len(refused)))
        assert NEWEST not in refused
        for opset in refused:
            error = written(op_class.__name__, seed, opset)
            assert isinstance(error, CnnirError)
            assert error.code == "opset"
            assert error.node == f"node ({op_class.__name__})"
            assert error.hint is not None


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_said_from_the_first_opset_on(op_class: type[Op]) -> None:
    """Some node of every op can be said as soon as ONNX has the op, and none before."""
    # A Gemm without bias came later than the op, and Upsample says a few forms of Resize alone.
    name = op_class.__name__
    first = next(
        opset for opset in OPSETS if any(isinstance(written(name, seed, opset), ModelProto) for seed in range(60))
    )
    assert first == first_opset(op_class)


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op: op.__name__)
def test_same_values_in_every_opset(op_class: type[Op]) -> None:
    """Each form that an op had means the same: onnxruntime computes from it what we compute."""
    compared = 0
    for seed in SEEDS:
        case = random_case(op_class, seed)
        if not case.portable or runtime_refuses(case.op):
            continue
        expected = list(case.graph().run(case.feed()).values())
        last = max(LAST_IN_ONNXRUNTIME, first_opset(op_class))
        for opset in {first_opset(op_class), *history()[op_class.__name__], last}:
            if not first_opset(op_class) <= opset <= last:
                continue
            model = written(op_class.__name__, seed, opset)
            unsaid = isinstance(case.op, Dropout) and case.op.with_mask and opset < 12
            if isinstance(model, CnnirError) or unsaid:  # what a mask holds outside of training is said since 12
                continue
            session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            for ours, theirs in zip(expected, arrays_of(session, case), strict=True):
                np.testing.assert_allclose(ours, theirs, 1e-5, 1e-5, err_msg=f"{opset}: {case}")
                compared += 1
    assert compared >= len(SEEDS) // 2


def arrays_of(session: onnxruntime.InferenceSession, case: Case) -> list[AnyArray]:
    """What the runtime computes."""
    return [np.asarray(array) for array in session.run(None, case.feed())]


def runtime_refuses(op: Op) -> bool:
    """True for valid nodes that onnxruntime does not run."""
    crossed = isinstance(op, Clip) and op.low is not None and op.high is not None and op.low > op.high
    dilated = isinstance(op, Conv) and op.auto_pad.startswith("SAME") and any(step > 1 for step in op.dilations)
    given = isinstance(op, ConvTranspose) and (op.output_shape is not None or op.auto_pad.startswith("SAME"))
    return crossed or dilated or given


def test_refusals_of_the_writer() -> None:
    """Opsets that do not exist are refused; element types that an old opset does not take as well."""
    graph = random_case(Relu, 0).graph()
    for opset in (6, NEWEST + 1):
        with pytest.raises(CnnirError) as caught:
            write(graph, opset=opset)
        assert (caught.value.code, caught.value.got) == ("opset", opset)
    whole = Case(Relu(), (np.asarray([1, -2], np.int64),)).graph()
    with pytest.raises(CnnirError) as caught:
        write(whole, opset=13)
    assert caught.value.code == "opset"
    assert "tensor(float)" in str(caught.value.expected)
    checker.check_model(write(whole, opset=14), full_check=True)


def test_several_nodes_have_several_names() -> None:
    """What takes three ONNX nodes to say loads in onnxruntime and gives the same."""
    case = Case(Softmax((1, 2)), (np.arange(24, dtype=np.float32).reshape(2, 3, 4),))
    model = write(case.graph())
    assert len({node.name for node in model.graph.node}) == len(model.graph.node) == 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (theirs,) = arrays_of(session, case)
    np.testing.assert_allclose(case.graph().run(case.feed())["node"], theirs, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(theirs).sum(axis=(1, 2)), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    "op", [Transpose(()), ReduceMean(()), Unsqueeze(()), Squeeze(()), Slice((), (), (), ())], ids=str
)
def test_empty_lists(op: Op) -> None:
    """An attribute or operand without elements is one all the same."""
    case = Case(op, (np.asarray(3, np.float32),))
    again = read(write(case.graph()))
    np.testing.assert_array_equal(again.run(case.feed())["node"], case.operands[0])


def test_every_op_has_a_mapping() -> None:
    """Both directions."""
    assert [op_class.__name__ for op_class in DEFINED if writers.find(op_class) is None] == []
