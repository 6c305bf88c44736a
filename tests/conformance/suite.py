"""The conformance suite that comes with the onnx package, run against `cnnir.backend`."""

import functools
import random
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, OptionalProto, SequenceProto, TensorProto, numpy_helper
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

import cnnir.backend
from cnnir.errors import CnnirError
from cnnir.exporters.onnx.mapping import readers

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
"""Of tests, as the package sorts them. The kind "real" would be downloaded."""

NAMED_IN_NOTE = frozenset((
    "Conv", "Gemm", "Relu", "Add", "MaxPool", "Reshape", "GlobalAveragePool", "Concat",
    "Mul", "ReduceMean", "Flatten", "Constant", "AveragePool", "Transpose", "BatchNormalization", "Sigmoid",
    "Clip", "HardSigmoid", "Identity", "Slice", "Shape", "Div", "Softmax", "Squeeze",
    "Pad", "MatMul", "ConstantOfShape", "Resize", "Split", "HardSwish", "Cast", "Gather",
    "Unsqueeze", "Sub", "LeakyRelu", "Expand", "Pow", "Sqrt", "Ceil", "ConvTranspose",
    "Dropout", "Gelu", "ReduceSum", "LRN", "LayerNormalization", "PRelu", "CastLike", "Sum",
    "ConvInteger", "DynamicQuantizeLinear", "MatMulInteger", "Erf", "Floor", "LSTM", "Range", "If",
    "Equal", "Not", "Size", "Max", "Exp", "Tanh", "Reciprocal", "ReduceMax",
    "GlobalMaxPool",
))  # fmt: skip
"""Ops that exporters write for convolutional networks, counted over 217 of them."""

OURS = frozenset(readers) | {"Constant"}
"""Ops that become ops of our own, or weights."""


@dataclass(frozen=True)
class Verdict:
    """What came of one test.

    Attributes:
        fault: What is wrong, empty when it passes.
        foreign: Reasons why nodes were left to onnx's reference implementation.
    """

    fault: str
    foreign: tuple[str, ...] = ()


@functools.cache
def shipped(kind: str) -> tuple[TestCase, ...]:
    """The tests of a kind; the node tests are made in memory, which takes ten seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some overflow when they are made
        return tuple(load_model_tests(kind=kind))


@functools.cache
def tests() -> dict[str, TestCase]:
    """All tests by name."""
    return {test.name: test for kind in KINDS for test in shipped(kind)}


def sample(count: int, seed: int) -> list[str]:
    """Names of so many tests, the same for a seed."""
    return random.Random(seed).sample(sorted(tests()), count)


def model_of(test: TestCase) -> ModelProto:
    """The test's model."""
    return test.model if test.model is not None else onnx.load(Path(test.model_dir or "") / "model.onnx")


def ops_of(model: ModelProto) -> set[str]:
    """Its op types, with their domains where those are not ONNX's own."""
    return {f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in model.graph.node}


def verdict(test: TestCase, *, fallback: bool = True) -> Verdict:
    """Run the test as the package's own runner does: every data set, its own comparison and tolerances."""
    foreign: tuple[str, ...] = ()
    try:
        rep = cnnir.backend.prepare(model_of(test), fallback=fallback)
        for inputs, wanted in _pairs(test):
            found = rep.run(inputs)
            foreign = tuple(dict.fromkeys(rep.foreign.values()))
            Runner.assert_similar_outputs(wanted, found, test.rtol, test.atol, test.model_dir)
    except CnnirError as error:
        return Verdict(f"{error.code}: {error.got}" if error.code == "fallback-refused" else str(error), foreign)
    except (AssertionError, TypeError) as error:
        return Verdict(" ".join(str(error).split())[:200] or type(error).__name__, foreign)
    return Verdict("", foreign)


def _pairs(test: TestCase) -> Iterator[tuple[list[Any], list[Any]]]:
    sets: Sequence[Any] = test.data_sets if test.data_sets is not None else list(_files(Path(test.model_dir or "")))
    for given, wanted in sets:
        yield [_plain(item) for item in given], [_plain(item) for item in wanted]


def _files(folder: Path) -> Iterator[tuple[list[Any], list[Any]]]:
    infos = onnx.load(folder / "model.onnx").graph
    for data in sorted(folder.glob("test_data_set_*")):
        given, wanted = (
            [_parsed((data / f"{what}_{index}.pb").read_bytes(), info.type.WhichOneof("value") or "tensor_type")
             for index, info in enumerate(listed) if (data / f"{what}_{index}.pb").exists()]
            for what, listed in (("input", infos.input), ("output", infos.output))
        )  # fmt: skip
        yield given, wanted


def _parsed(data: bytes, kind: str) -> Any:
    if kind == "sequence_type":
        return numpy_helper.to_list(SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(OptionalProto.FromString(data))
    return numpy_helper.to_array(TensorProto.FromString(data))


def _plain(item: Any) -> Any:
    if isinstance(item, TensorProto):
        return numpy_helper.to_array(item)
    return np.asarray(item) if isinstance(item, np.generic) else item
