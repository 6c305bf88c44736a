"""Classifiers over larger images: every real network rewritten, saved, and run by both runtimes.

    python -m benchmarks.dense [--match TEXT]

For each of the nine networks of the onnx package and the zoo's VGG-16, with seeded random weights: the outputs of
``fc-to-conv{dense=true}`` at the native size, in NumPy and in ONNX Runtime from the saved file, before the Softmax too;
then the open form in both at 384 x 384 and 256 x 288, the two compared, and the score map's size against the formula in
its type. Then what others give for VGG-19 at 384: the file with its input's shape changed (plain, by onnx's own
``update_model_dims``, and by onnxsim where that is installed), which must not run, else the claim is out of date. Exits
with 1 when a figure is off.
"""

import argparse
import importlib
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx.tools.update_model_dims import update_inputs_outputs_dims

import cnnir
from cnnir.dims import bind
from cnnir.graph import Graph
from cnnir.types import TensorType
from cnnir.weights import AnyArray
from tests.models import NAMES, before_softmax, path, random_input, with_random_weights

TOLERANCE = 1e-4
"""Relative to the largest element."""

SIZES = ((384, 384), (256, 288))
"""A larger and an oblong image."""

ZOO = "zoo vgg16"
PEERS = "vgg19"


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each network; 1 when something is off."""
    parser = argparse.ArgumentParser(description="Classifiers over larger images, in both runtimes.")
    parser.add_argument("--match", default="", help="only networks whose name contains this")
    options = parser.parse_args(argv)
    wanted = [name for name in (*NAMES, ZOO) if options.match in name]
    if not wanted:
        parser.error(f"no network matches {options.match}; there are {', '.join((*NAMES, ZOO))}")
    missed: list[str] = []
    print(f"{'network':14}{'kept, off by':>14}{'native':>10}" + "".join(f"{f'{h}x{w}':>28}" for h, w in SIZES) + "   s")
    for name in wanted:
        missed += _network(name)
    if options.match in PEERS:
        missed += _peers()
    for miss in missed:
        print(f"MISSED: {miss}")
    return 1 if missed else 0


def _network(name: str) -> list[str]:
    """One network at all sizes; what is off."""
    begin = time.perf_counter()
    before = cnnir.zoo.vgg16() if name == ZOO else with_random_weights(cnnir.load(path(name)))
    names, feed = before_softmax(before), random_input(before)
    expected = _runtime(before, [feed], names)[0]
    missed: list[str] = []
    kept = before.apply("fc-to-conv", dense=True).graph
    worst = max(_off(kept.run(feed, names), expected, names), _off(_runtime(kept, [feed], names)[0], expected, names))
    del kept
    dense = before.apply("fc-to-conv", dense=True, keep_interface=False).graph
    feeds = [feed, *(_image(before, *size) for size in SIZES)]
    native, *others = _runtime(dense, feeds, names)
    at_native = _off(native, expected, names)
    shown = []
    for size, given, theirs in zip(SIZES, feeds[1:], others, strict=True):
        ours = dense.run(given, names)
        apart = _off(ours, theirs, names)
        found, foretold = theirs[names[0]].shape, _foretold(dense, *size)
        shown.append(f"{found[2]}x{found[3]}, apart {apart:.1e}")
        if apart > TOLERANCE:
            missed.append(f"{name} at {size}: the runtimes are {apart:.2g} apart")
        if not found == ours[names[0]].shape == foretold:
            missed.append(f"{name} at {size}: a map of {found}, the formula says {foretold}")
    if max(worst, at_native) > TOLERANCE:
        missed.append(f"{name}: off by {max(worst, at_native):.2g} at the native size")
    if name == ZOO:
        ((_, pixels),) = feeds[1].items()
        scores = cnnir.dense_scores(before, pixels)
        shown.append(f"dense_scores {list(scores.shape)}")
        if scores.shape != (1, 1000, 6, 6):
            missed.append(f"{name}: dense_scores gives {scores.shape} at 384 x 384")
    seconds = time.perf_counter() - begin
    print(f"{name:14}{worst:>14.1e}{at_native:>10.1e}" + "".join(f" {text:>27}" for text in shown) + f"{seconds:>6.0f}")
    return missed


def _image(graph: Graph, height: int, width: int) -> dict[str, AnyArray]:
    """Standard-normal pixels of that size."""
    (value,) = graph.inputs
    drawn = np.random.default_rng([height, width]).standard_normal((1, 3, height, width))
    return {value.name: drawn.astype(np.float32)}


def _foretold(dense: Graph, height: int, width: int) -> tuple[int, ...]:
    """The score map's shape by the formula in its type."""
    type_ = dense.outputs[0].type
    shape = type_.shape if isinstance(type_, TensorType) else ()
    return tuple(int(str(bind(dim, {"H": height, "W": width}))) for dim in shape)


def _off(found: Mapping[str, AnyArray], expected: Mapping[str, AnyArray], names: Sequence[str]) -> float:
    """The largest difference, relative to the largest element of the same value."""
    return max(
        float(np.abs(found[name].reshape(expected[name].shape) - expected[name]).max() / np.abs(expected[name]).max())
        for name in names
    )


def _runtime(graph: Graph, feeds: Sequence[Mapping[str, AnyArray]], names: Sequence[str]) -> list[dict[str, AnyArray]]:
    """What ONNX Runtime computes from the saved file."""
    asked = graph.clone()
    asked.set_outputs([*graph_outputs(asked, names)])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "saved.onnx"
        cnnir.save(asked, file)
        session = _session(str(file))
        return [dict(zip(names, map(np.asarray, session.run(list(names), dict(feed))), strict=True)) for feed in feeds]


def graph_outputs(graph: Graph, names: Sequence[str]) -> list[cnnir.Value]:
    """The values that are asked for."""
    return [graph.value(name) for name in names]


def _session(source: str | bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


# Peers


def _plain(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Another number in the input's type."""
    for value in model.graph.input:
        if value.name == name:
            for axis in (2, 3):
                value.type.tensor_type.shape.dim[axis].dim_value = SIZES[0][0]
    return model


def _updated(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """``update_model_dims`` of onnx, the output's dims left to be found."""
    outputs = {value.name: ["n", "k"] for value in model.graph.output}
    inputs = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in model.graph.input}
    changed: onnx.ModelProto = update_inputs_outputs_dims(model, {**inputs, name: [1, 3, *SIZES[0]]}, outputs)
    return changed


def _simplified(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Onnxsim's ``overwrite_input_shapes``."""
    onnxsim = importlib.import_module("onnxsim")
    simplified, checked = onnxsim.simplify(model, overwrite_input_shapes={name: [1, 3, *SIZES[0]]})
    if not checked:
        raise ValueError("its own check fails")
    found: onnx.ModelProto = simplified
    return found


PEERS_WAYS: dict[str, Callable[[onnx.ModelProto, str], onnx.ModelProto]] = {
    "input edited": _plain,
    "onnx update_model_dims": _updated,
    "onnxsim": _simplified,
}


def _peers() -> list[str]:
    """VGG-19 at 384 by others; what runs against the claim."""
    before = cnnir.load(path(PEERS))
    ((name, pixels),) = _image(before, *SIZES[0]).items()
    missed = []
    for way, change in PEERS_WAYS.items():
        if way == "onnxsim" and importlib.util.find_spec("onnxsim") is None:
            print(f"{PEERS} at 384 by {way:24} not installed, so not tried")
            continue
        try:
            (scores,) = _session(change(onnx.load(path(PEERS)), name).SerializeToString()).run(None, {name: pixels})
        except Exception as error:  # noqa: BLE001  each peer fails in its own way: that is what is recorded
            print(f"{PEERS} at 384 by {way:24} cannot run: {' '.join(str(error).split())[:150]}")
        else:
            missed.append(f"{PEERS} at 384 by {way} runs and gives {np.asarray(scores).shape}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
