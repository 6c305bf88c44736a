"""ONNX Runtime as the judge, and how far from it an output may be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from benchmarks.corpus.row import Row
from cnnir.weights import AnyArray

TOLERANCE = 1e-4
"""Relative to the largest element of an output: both sum single-precision numbers in another order."""


_ROUNDINGS = 2
"""How much further from double precision than ONNX Runtime a right answer may lie: the order of a sum is chance."""

_LARGEST = 1e-2
"""Beyond this nothing is told any more."""


class RuntimeUnfitError(Exception):
    """ONNX Runtime refuses a model, or fails on it."""


def runtime_outputs(path: Path, feed: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """The outputs of a model in a file.

    Raises:
        RuntimeUnfitError: in ONNX Runtime's own words.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        found = session.run(names, dict(feed))
        return {name: np.asarray(array) for name, array in zip(names, found, strict=True)}
    except Exception as error:  # its exceptions have no common class
        text = " ".join(str(error).split())
        raise RuntimeUnfitError(f"onnxruntime {onnxruntime.__version__}: {text[:240]}") from error


def runtime_tensors(path: Path, feed: Mapping[str, AnyArray], scratch: Path) -> dict[str, AnyArray]:
    """Every tensor that a node of the model makes, by name.

    Raises:
        RuntimeUnfitError: as `runtime_outputs`.
    """
    model = onnx.load(path)
    there = {output.name for output in model.graph.output}
    for name in (name for node in model.graph.node for name in node.output if name):
        if name not in there:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
    onnx.save(model, scratch / "all.onnx")
    del model
    return runtime_outputs(scratch / "all.onnx", feed)


@dataclass(frozen=True)
class Judge:
    """Outputs of ONNX Runtime, to compare others with.

    Attributes:
        outputs: By name.
        exact: Makes the same outputs in double precision, where that is asked for.
    """

    outputs: Mapping[str, AnyArray]
    exact: Callable[[], Mapping[str, AnyArray]]

    def compare(self, found: Mapping[str, AnyArray], row: Row, what: str) -> float:
        """The largest difference of any output, relative to the output's largest element.

        Where that is more than the tolerance, double precision decides: a network may enlarge its own roundings, so
        that two right answers lie further apart. Then ours may be no further from it than ONNX Runtime's own.

        Args:
            found: What is compared, by name; each output must be there.
            row: Gets a fault for each output that is not equal, and for each that cannot tell anything.
            what: How those begin.
        """
        worst = 0.0
        for name, right in self.outputs.items():
            left = found.get(name)
            if left is None or left.shape != right.shape or left.dtype != right.dtype:
                got = "is not there" if left is None else f"is {left.dtype}{list(left.shape)}"
                row.faults.append(f"{what}: {name} {got}, onnxruntime makes {right.dtype}{list(right.shape)}")
                continue
            if not np.isfinite(right).all() or not right.any():
                row.faults.append(f"{what}: {name} of onnxruntime is zero or not finite, which tells nothing")
                continue
            error = _distance(left, right)
            if not error <= TOLERANCE:  # NaN is none
                self._decide(name, left, row, f"{what}: {name} is off by {error:.1e} of its largest element")
            worst = max(worst, error)
        return worst

    def _decide(self, name: str, left: AnyArray, row: Row, what: str) -> None:
        exact = self.exact()[name]
        ours, theirs = _distance(left, exact), _distance(self.outputs[name], exact)
        what = f"{what}; from double precision {ours:.1e}, onnxruntime {theirs:.1e}"
        (row.notes if ours <= _ROUNDINGS * theirs < _LARGEST else row.faults).append(what)


def _distance(left: AnyArray, right: AnyArray) -> float:
    wide = right.astype(np.float64)
    return float(np.abs(left.astype(np.float64) - wide).max() / np.abs(wide).max())
