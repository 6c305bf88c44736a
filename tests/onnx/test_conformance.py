"""onnx's own conformance tests, for every model that is made of ops that cnnir defines.

Each model runs as it is, and once more with all inputs but the first turned into constants: what steers an op (a shape,
axes, bounds) is often an input in these tests, which makes a node opaque, while real models hold constants there.
"""

import fnmatch
import functools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, checker, numpy_helper, version_converter
from onnx.backend.test.loader import load_model_tests

from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.ops import DEFINED, GlobalLpPool, Opaque, Shape, Size

AnyArray = NDArray[Any]

READABLE = {op_class.__name__ for op_class in DEFINED} | {"Constant", "Upsample", "CastLike"}
"""ONNX ops that become defined ops or weights."""

OPAQUE: Mapping[str, str] = {
    "test_training_dropout:constants": "it drops elements at random",
    "test_training_dropout_mask:constants": "it drops elements at random",
    "test_training_dropout_default*:constants": "it drops elements at random",
}
"""Cases, as patterns, that run as opaque nodes by onnx's own implementation, and why."""

COMPUTED = " is computed"
"""End of the reason why a node is opaque whose steering operand is fed, or computed from a shape that is fed."""

FOLLOWING = "the rank of its input is not known"
"""The reason why a node behind such a node may be opaque too."""

_ALIGNED = (
    "the output that ships divides by a fractional length; the specification's text and onnxruntime by the length that "
    "the tensor has"
)

_NARROW = "the output that ships was summed in 16 bits; here it is summed in float32 and rounded once, which is nearer"

_ATTENTION = (
    "4d_causal_fp16", "3d_causal_bf16", "4d_causal_bf16", "4d_padded_kv_bf16", "4d_causal_padded_kv_bf16",
    "4d_attn_mask_causal_bf16",
)  # fmt: skip

DIFFERENT: Mapping[str, str] = {
    **{f"test_attention_{name}_expanded{tail}": _NARROW for name in _ATTENTION for tail in ("", ":constants")},
    "test_resize_downsample_scales_cubic_align_corners": _ALIGNED,
    "test_resize_downsample_scales_cubic_align_corners:constants": _ALIGNED,
    "test_resize_downsample_scales_linear_align_corners": _ALIGNED,
    "test_resize_downsample_scales_linear_align_corners:constants": _ALIGNED,
}
"""Cases whose shipped output is not what we compute, and why."""

UNCONVERTED = "test_PReLU_*d_multiparam"
"""Cases of opset 6 whose slopes, one a channel, do not broadcast since opset 7, and which onnx does not convert."""

DEFINED_AT_LEAST = 1892
"""So many cases run without an opaque node."""

GROUPS = 8


@dataclass(frozen=True)
class Case:
    """One model with what goes in and what must come out; a shipped case may have several such pairs."""

    name: str
    model: ModelProto
    feeds: tuple[dict[str, AnyArray], ...]
    expected: tuple[tuple[AnyArray, ...], ...]
    rtol: float
    atol: float


@functools.cache
def cases() -> dict[str, Case]:
    """Every case, by name."""
    kinds = ("node", "simple", "pytorch-converted", "pytorch-operator")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own tests overflow when they are made
        shipped = [case for kind in kinds for case in _load(kind)]
    return {case.name: case for whole in shipped for case in (whole, *_with_constants(whole))}


def _load(kind: str) -> Iterator[Case]:
    for test in load_model_tests(kind=kind):
        model = test.model or onnx.load(Path(test.model_dir or "") / "model.onnx")
        ops = {node.op_type for node in model.graph.node}
        if fnmatch.fnmatchcase(test.name, UNCONVERTED):
            continue
        if not ops <= READABLE or model.functions or any(node.domain for node in model.graph.node):
            continue
        if max(entry.version for entry in model.opset_import) < 7:
            # What PyTorch once exported says the same in a later opset.
            model = version_converter.convert_version(model, 9)
        pairs: Iterable[tuple[Sequence[object], Sequence[object]]]
        pairs = test.data_sets if test.data_sets is not None else list(_files(Path(test.model_dir or "")))
        constants = {tensor.name for tensor in model.graph.initializer}
        names = [info.name for info in model.graph.input if info.name not in constants]
        yield Case(
            test.name,
            model,
            tuple(dict(zip(names, map(_array, given), strict=True)) for given, _ in pairs),
            tuple(tuple(map(_array, wanted)) for _, wanted in pairs),
            test.rtol,
            test.atol,
        )


def _files(folder: Path) -> Iterator[tuple[Sequence[object], Sequence[object]]]:
    for data in sorted(folder.glob("test_data_set_*")):
        given, wanted = (
            [TensorProto.FromString((data / f"{what}_{index}.pb").read_bytes()) for index in range(count)]
            for what, count in ((what, len(list(data.glob(f"{what}_*.pb")))) for what in ("input", "output"))
        )
        yield given, wanted


def _array(value: object) -> AnyArray:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def _with_constants(case: Case) -> Iterator[Case]:
    """The case with all inputs but the first as initializers, one for each data set."""
    names = list(case.feeds[0])
    if len(names) < 2:
        return
    for number, (feed, expected) in enumerate(zip(case.feeds, case.expected, strict=True)):
        model = ModelProto()
        model.CopyFrom(case.model)
        kept = [info for info in model.graph.input if info.name not in names[1:]]
        del model.graph.input[:]
        model.graph.input.extend(kept)
        model.graph.initializer.extend(numpy_helper.from_array(feed[name], name) for name in names[1:])
        name = f"{case.name}:constants{number or ''}"
        yield Case(name, model, ({names[0]: feed[names[0]]},), (expected,), case.rtol, case.atol)


def group(number: int) -> list[Case]:
    """Every eighth case, but those that are known to differ."""
    return [case for name, case in sorted(cases().items()) if name not in DIFFERENT][number::GROUPS]


@functools.cache
def graph_of(name: str) -> Graph:
    """The case's model as it is read."""
    return read(cases()[name].model)


def opaque_reasons(name: str) -> set[str]:
    """Why nodes of the case's graph are opaque; empty when none is."""
    return {node.op.reason for node in graph_of(name).nodes if isinstance(node.op, Opaque)}


def wide(array: AnyArray) -> AnyArray:
    """The array in an element type that NumPy can compare."""
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def fault(case: Case) -> str:
    """What is wrong with the outputs; empty when they are right."""
    graph = graph_of(case.name)
    for feed, expected in zip(case.feeds, case.expected, strict=True):
        found = graph.run(feed)
        for value, wanted in zip(graph.outputs, expected, strict=True):
            got = found[value.name]
            if got.shape != wanted.shape or got.dtype != wanted.dtype:
                return f"{value.name}: expected {wanted.dtype}{wanted.shape}, got {got.dtype}{got.shape}"
            if wanted.dtype.kind in "OUST":
                same = bool((got == wanted).all())
            else:
                same = np.allclose(wide(got), wide(wanted), case.rtol, case.atol, equal_nan=True)
            if not same:
                return f"{value.name}: expected {wanted}, got {got}"
    return ""


def export_fault(case: Case) -> str:
    """What is wrong after writing the graph and reading it back; empty when nothing is."""
    graph = graph_of(case.name)
    model = write(graph)
    checker.check_model(model, full_check=True)
    again = read(model)
    if write(again).SerializeToString(deterministic=True) != model.SerializeToString(deterministic=True):
        return "a second export gives other bytes"
    for feed in case.feeds:
        first, second = graph.run(feed), again.run(feed)
        if list(first) != list(second):
            return f"outputs {list(second)}"
        for name, array in first.items():
            if array.dtype != second[name].dtype or array.tobytes() != second[name].tobytes():
                return f"{name}: other values"
    return ""


@pytest.mark.parametrize("number", range(GROUPS))
def test_shipped_outputs(number: int) -> None:
    """Every case gives the outputs that ship with it, within its own tolerances."""
    assert {case.name: text for case in group(number) if (text := fault(case))} == {}


@pytest.mark.parametrize("number", range(GROUPS))
def test_export(number: int) -> None:
    """Every case is written as a valid model that reads back the same, to the byte."""
    assert {case.name: text for case in group(number) if (text := export_fault(case))} == {}


def test_different_cases_differ() -> None:
    """No stale entry stands in the table."""
    assert {name for name in DIFFERENT if not fault(cases()[name])} == set()


def test_opaque_cases() -> None:
    """Exactly the cases of the table are opaque, for the reason given there, or those whose settings are fed."""
    wrong = {}
    for name in cases():
        reasons = opaque_reasons(name)
        allowed = {reason for pattern, reason in OPAQUE.items() if fnmatch.fnmatchcase(name, pattern)}
        # What Shape and Size give becomes a constant when the graph is folded.
        computes = ":" not in name or any(isinstance(node.op, Shape | Size) for node in graph_of(name).nodes)
        fed = {reason for reason in reasons if reason.endswith(COMPUTED)} if computes else set()
        fed |= {FOLLOWING} if fed else set()
        if reasons - allowed - fed or (allowed and not reasons):
            wrong[name] = reasons
    assert wrong == {}


@pytest.mark.parametrize(("pattern", "reason"), OPAQUE.items())
def test_no_stale_pattern(pattern: str, reason: str) -> None:
    """Each pattern stands for a case that is opaque for its reason."""
    assert any(reason in opaque_reasons(name) for name in cases() if fnmatch.fnmatchcase(name, pattern))


def test_enough_is_defined() -> None:
    """Most cases run on our own kernels, and every op has such a case."""
    ours = [name for name in cases() if not opaque_reasons(name)]
    assert len(ours) >= DEFINED_AT_LEAST
    seen = {type(node.op) for name in ours for node in graph_of(name).nodes}
    assert set(DEFINED) - seen == {GlobalLpPool}  # onnx has no test of it


def test_old_opset_is_refused() -> None:
    """Cases from before opset 7 are refused as they are, with the way out; here they run converted."""
    (folder,) = (
        Path(test.model_dir or "") for test in load_model_tests(kind="pytorch-converted") if test.name == "test_Conv2d"
    )
    with pytest.raises(CnnirError, match=r"load\(path, opset=17\)") as caught:
        read(onnx.load(folder / "model.onnx"))
    assert caught.value.code == "opset"
