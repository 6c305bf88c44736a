"""Other runtimes as judges: every value of a network as ONNX Runtime or ONNX's reference implementation computes it.

The network is written as a model with all of these values as its outputs, so that a runtime has to compute each, and
may not fuse what lies between. ONNX Runtime is imported when it is asked, and may be absent.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import onnx

from cnnir.errors import CnnirError
from cnnir.exporters.onnx.saving import save
from cnnir.graph import Graph, Value
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType
from cnnir.weights import AnyArray

Judge: TypeAlias = Callable[[Path, Mapping[str, AnyArray], Sequence[str]], list[AnyArray]]
"""``judge(model, feed, names)``: the values of these names, in their order."""


def judged(
    graph: Graph, feed: Mapping[str, AnyArray], judge: str, names: Iterable[str] | None = None
) -> dict[str, AnyArray]:
    """Values of a graph as another runtime computes them.

    Args:
        graph: Left as it is.
        feed: An array for each input, by name.
        judge: One of `JUDGES`.
        names: Values of nodes that are tensors; all of these when None.

    Raises:
        CnnirError: ``judge-unknown``, ``judge-missing`` when it is not installed, ``judge-failed`` for whatever it
            raises; from writing the model.
    """
    if judge not in JUDGES:
        raise CnnirError("judge-unknown", "no such runtime", expected=" or ".join(JUDGES), got=judge)
    values = tensors(graph) if names is None else [graph.value(name) for name in names]
    if not values:
        return {}
    clone = graph.clone()
    Rewriter(clone).set_outputs([clone.value(value.name) for value in values])
    found = [value.name for value in values]
    with tempfile.TemporaryDirectory(prefix="cnnir-") as folder:
        model = Path(folder) / "model.onnx"
        save(clone, model)
        try:
            arrays = JUDGES[judge](model, feed, found)
        except (CnnirError, KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:
            raise CnnirError("judge-failed", f"{judge} does not run the network", node=graph.name,
                             got=f"{type(error).__name__}: {error}") from error  # fmt: skip
    return dict(zip(found, arrays, strict=True))


def tensors(graph: Graph) -> list[Value]:
    """The values that nodes make and that are tensors, in the graph's order."""
    made = dict.fromkeys(value for node in graph.nodes for value in node.outputs)
    return [value for value in made if isinstance(value.type, TensorType)]


def _onnxruntime(model: Path, feed: Mapping[str, AnyArray], names: Sequence[str]) -> list[AnyArray]:
    try:
        import onnxruntime  # noqa: PLC0415  it may be absent
    except ImportError as error:
        raise CnnirError(
            "judge-missing", "onnxruntime is not installed", got=error,
            hint="pip install cnnir[compare], or compare with reference",
        ) from None  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    taken = {entry.name for entry in session.get_inputs()}
    found: Any = session.run(list(names), {name: array for name, array in feed.items() if name in taken})
    return list(found)


def _reference(model: Path, feed: Mapping[str, AnyArray], names: Sequence[str]) -> list[AnyArray]:
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415  it takes a second to import

    found: Any = ReferenceEvaluator(onnx.load(model)).run(list(names), dict(feed))
    return list(found)


JUDGES: Mapping[str, Judge] = {"onnxruntime": _onnxruntime, "reference": _reference}
"""Runtimes by name."""

__all__ = ["JUDGES", "judged", "tensors"]
