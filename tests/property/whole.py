"""A grown model as a whole: read, inferred, planned, run, simplified, written and read again.

Its nodes have been judged one by one; what is left is that the whole is what its nodes are.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import ModelProto

from cnnir.dims import is_known
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import load, read, save, write
from cnnir.graph import Graph
from cnnir.ops import ConstantOfShape, OneHot, Opaque, Range, TopK
from cnnir.passes import apply
from cnnir.passes.simplify import Simplify
from cnnir.types import TensorType
from cnnir.verify import verify
from tests.interpreter.drawing import AnyArray
from tests.measure import Sensitivity, apart
from tests.property.departures import CHECKER, ORT, departure
from tests.property.judging import RECURRENT, SINGLE_PRECISION, TOLERANCES, by_onnxruntime
from tests.property.sketch import Sketch


class SurpriseError(AssertionError):
    """Something about a model as a whole is not as it should be."""


def check_whole(sketch: Sketch) -> None:
    """All that has to hold of a model whose nodes are right.

    Raises:
        SurpriseError: saying which comparison failed.
    """
    model = sketch.model()
    strict = not any(departure(step, CHECKER) for step in sketch.steps)
    followed = not any(departure(step, ORT) or step.node.op_type in RECURRENT for step in sketch.steps)
    single = any(step.node.op_type in SINGLE_PRECISION for step in sketch.steps)
    if strict:
        onnx.checker.check_model(model)
    try:
        graph = read(model)
    except CnnirError as error:
        if error.code == "squeeze-rank":
            return  # sizes that are known at run time alone decide the rank, and the message says so
        raise
    verify(graph)
    _check_types(graph, sketch.made)
    feed = sketch.feed
    free = graph.run(feed)
    sensitivity = Sensitivity.by_nodes(graph, feed)
    _check_close("the whole and its nodes", free, {name: sketch.made[name] for name in free}, sensitivity)
    if not _open(graph):
        _check_same("planned and free", graph.run(feed, plan=graph.plan()), free)
    try:
        simple = apply(graph, Simplify()).graph
    except CnnirError as error:
        if error.code == "pass-interface" and _open(graph):
            return  # the file says more about an output than can be inferred once a setting is worked out
        raise
    simplified = dict(zip(free, simple.run(feed).values(), strict=True))
    _check_close("simplified", simplified, free, sensitivity)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sketch.onnx"
        save(graph, path)
        again = load(path)
    reloaded = dict(zip(free, again.run(feed).values(), strict=True))
    if strict and _in_order(graph):
        _check_same("saved and loaded", reloaded, free)
    else:  # what the checker refuses is written as other nodes, what lies across is summed in another order
        _check_close("saved and loaded", reloaded, free, sensitivity)
    for what, made in (("written", graph), ("simplified and written", simple)):
        proto = write(made)
        if strict:
            onnx.checker.check_model(proto, full_check=True)
        if followed:
            _check_runtime(what, proto, feed, free, sensitivity, single=single)


def _open(graph: Graph) -> bool:
    """Whether a size is known at run time alone, behind a setting that nodes compute or a caller may give."""
    types = [value.type for value in graph.values]
    return not all(isinstance(type_, TensorType) and all(is_known(dim) for dim in type_.shape) for type_ in types)


def _in_order(graph: Graph) -> bool:
    """Whether all weights lie in memory as a file holds them."""
    return all(value.weight.array().flags.c_contiguous for value in graph.weights if value.weight is not None)


def _check_types(graph: Graph, made: Mapping[str, AnyArray]) -> None:
    opaque = any(isinstance(node.op, Opaque | ConstantOfShape | Range | OneHot | TopK) for node in graph.nodes)
    names = {value.name for value in graph.values}
    for name in made.keys() & names:
        type_, array = graph.value(name).type, made[name]
        if isinstance(type_, TensorType):
            fits = type_.rank == array.ndim and all(
                dim == size or (opaque and not is_known(dim))
                for dim, size in zip(type_.shape, array.shape, strict=True)
            )
            if fits and type_.dtype.numpy == array.dtype:
                continue
        elif opaque:
            continue
        raise SurpriseError(f"{name} is inferred as {type_}, and is {array.dtype}{list(array.shape)}")


def _check_same(what: str, found: Mapping[str, AnyArray], expected: Mapping[str, AnyArray]) -> None:
    """Bit for bit."""
    for name, array in expected.items():
        other = found[name]
        if (other.dtype, other.shape, other.tobytes()) != (array.dtype, array.shape, array.tobytes()):
            raise SurpriseError(f"{what}: {name}: {apart(other, array, 0.0) or 'other bits'}")


def _check_close(
    what: str,
    found: Mapping[str, AnyArray],
    expected: Mapping[str, AnyArray],
    sensitivity: Sensitivity,
    *,
    single: bool = False,
) -> None:
    for name, array in expected.items():
        tolerance = TOLERANCES.get("float32" if single and array.dtype == np.float64 else array.dtype.name, 0.0)
        wrong = apart(found[name], array, tolerance, lambda name=name: sensitivity.of(name))  # type: ignore[misc]
        if wrong is not None:
            raise SurpriseError(f"{what}: {name}: {wrong}")


def _check_runtime(
    what: str,
    model: ModelProto,
    feed: Mapping[str, AnyArray],
    expected: Mapping[str, AnyArray],
    sensitivity: Sensitivity,
    *,
    single: bool,
) -> None:
    """ONNX Runtime, where it has the kernels, computes the same of what is written."""
    initializers = {tensor.name for tensor in model.graph.initializer}
    wanted = [info.name for info in model.graph.input if info.name not in initializers]
    try:
        found = by_onnxruntime(model, {name: feed[name] for name in wanted})
    except Exception:  # noqa: BLE001  element types and forms that it lacks; the nodes have been judged by another
        return
    _check_close(what, dict(zip(expected, found, strict=True)), expected, sensitivity, single=single)
