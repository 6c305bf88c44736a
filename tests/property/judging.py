"""One node, three ways: here, in ONNX Runtime and in ONNX's reference implementation, on the very same operands.

Since all three are given the same arrays, no rounding is carried from node to node, and the bound is as narrow as for
a single layer.
"""

import functools
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, TypeAlias

import numpy as np
import onnxruntime
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read
from cnnir.ops import Opaque
from tests.interpreter.drawing import AnyArray
from tests.measure import Exact, Sensitivity, apart
from tests.property.departures import ORT, REFERENCE, REFUSED, departure
from tests.property.sketch import Step

TOLERANCES = {"float64": 1e-11, "float32": 1e-5, "float16": 2e-3}
"""Of the largest element of a result, by element type."""

SINGLE_PRECISION = {
    "Erf", "Gelu", "GroupNormalization", "HardSwish", "LayerNormalization", "MeanVarianceNormalization",
    "RMSNormalization",
}  # fmt: skip
"""Ops that judges compute in float32, or with constants of float32, whatever the element type."""

DIFFERENCES = {
    "GroupNormalization", "InstanceNormalization", "LayerNormalization", "MeanVarianceNormalization",
}  # fmt: skip
"""Ops whose variance judges take as the mean of squares less the square of the mean: digits go with the mean."""

RECURRENT = {"GRU", "LSTM", "RNN"}
"""Ops whose activations ONNX Runtime works out to an absolute error, and which the reference does not judge."""

LESS_ACCURATE = "digits are lost that float64 has: off by no more than roundings of the operands, where we are not"

onnxruntime.set_default_logger_severity(4)


Judge: TypeAlias = Callable[[ModelProto, dict[str, AnyArray]], list[AnyArray]]


@dataclass
class Tally:
    """What was judged, and what was found.

    Attributes:
        ops: How often each op was computed.
        opsets: How often each opset was drawn.
        departures: How often each known departure of a judge was met.
        unjudged: Nodes that no judge computes, by op.
        refused: Nodes that all refuse, by op.
        opaque: Nodes that were left to the fallback, by op.
        files: What became of spoilt files.
        surprises: What is wrong, each with what it was found on.
    """

    ops: Counter[str] = field(default_factory=Counter)
    opsets: Counter[int] = field(default_factory=Counter)
    departures: Counter[str] = field(default_factory=Counter)
    unjudged: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    opaque: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)

    def __iadd__(self, other: "Tally") -> Self:
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            mine.extend(theirs) if isinstance(mine, list) else mine.update(theirs)
        return self


def by_onnxruntime(model: ModelProto, feed: dict[str, AnyArray]) -> list[AnyArray]:
    """What ONNX Runtime's kernels give for the nodes as they stand."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    # It writes running statistics over those that are fed.
    return [np.asarray(array) for array in session.run(None, {name: array.copy() for name, array in feed.items()})]


def judged(step: Step, tally: Tally) -> list[AnyArray] | None:
    """The results of a node, or None where it cannot be; whatever is wrong goes to the tally."""
    op, model, feed = step.node.op_type, step.model(), step.feed()
    theirs: dict[str, list[AnyArray] | str] = {ORT: _asked(by_onnxruntime, model, feed)}
    try:
        graph = read(model)
        ours = list(graph.run(feed).values())
    except CnnirError as error:
        _refused(step, error, theirs[ORT], tally)
        return None
    tally.ops[op] += 1
    tally.opaque[op] += any(isinstance(node.op, Opaque) for node in graph.nodes)
    theirs[REFERENCE] = _asked(_by_reference, model, feed)
    sensitivity = Sensitivity.by_reference(model, feed)
    wrong = {
        judge: _wrong(step, model, ours, found, sensitivity)
        for judge, found in theirs.items()
        if not isinstance(found, str)
    }
    tally.unjudged[op] += all(wrong.values())
    for judge, message in wrong.items():
        if message is None:
            continue
        known = message if message == LESS_ACCURATE else departure(step, judge)
        if known is None:
            tally.surprises.append(f"{step}: {message} by {judge}")
        else:
            tally.departures[f"{op}, {judge}: {known}"] += 1
    return ours


def _refused(step: Step, error: CnnirError, found: list[AnyArray] | str, tally: Tally) -> None:
    """What we refuse, ONNX Runtime does not compute either."""
    if isinstance(found, str):
        tally.refused[step.node.op_type] += 1
        return
    known = departure(step, REFUSED)
    if known is None:
        tally.surprises.append(f"{step}: refused: {error}")
    else:
        tally.departures[f"{step.node.op_type}, {REFUSED}: {known}"] += 1


def _asked(judge: Judge, model: ModelProto, feed: dict[str, AnyArray]) -> list[AnyArray] | str:
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return judge(model, feed)
    except Exception as error:  # noqa: BLE001  whatever a judge raises, it does not judge
        return str(error)


def _by_reference(model: ModelProto, feed: dict[str, AnyArray]) -> list[AnyArray]:
    return [np.asarray(array) for array in ReferenceEvaluator(model).run(None, feed)]


def _wrong(
    step: Step, model: ModelProto, ours: list[AnyArray], theirs: list[AnyArray], sensitivity: Sensitivity
) -> str | None:
    for info, mine, other in zip(model.graph.output, ours, theirs, strict=True):
        tolerance = TOLERANCES.get(mine.dtype.name, 0.0)
        if mine.dtype == np.float64 and step.node.op_type in SINGLE_PRECISION:
            tolerance = 1e-6
        exact = functools.partial(sensitivity.of, info.name)
        message = apart(mine, other, tolerance, exact, second_judge=False)
        if message is not None:
            return LESS_ACCURATE if _is_rounding(step, mine, other, tolerance, exact()) else message
    return None


def _is_rounding(step: Step, ours: AnyArray, theirs: AnyArray, tolerance: float, exact: Exact | None) -> bool:
    """Whether float64 agrees with us, and the judge is off by no more than roundings of the node's operands."""
    if step.node.op_type in RECURRENT and ours.dtype == theirs.dtype == np.float32 and ours.shape == theirs.shape:
        return bool((np.abs(ours - theirs) <= 1e-6 * max(1.0, float(np.abs(ours).max(initial=0.0)))).all())
    if exact is None or ours.dtype.kind != "f" or ours.shape != theirs.shape:
        return False
    if apart(ours, exact.array.astype(ours.dtype), tolerance) is not None:
        return False
    if not np.isfinite(theirs[np.isfinite(ours)]).all():
        return ours.dtype == np.float16  # squares of half precision overflow on the way
    if step.node.op_type in DIFFERENCES:
        return True
    largest = max(
        [1.0, *(float(np.abs(x).max(initial=0.0)) for x in step.arrays if x is not None and x.dtype.kind == "f")]
    )
    gap = np.abs(ours.astype(np.float64) - theirs)
    return bool((gap <= (1e-3 if ours.dtype == np.float16 else 1e-6) * largest).all())
