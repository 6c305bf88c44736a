"""VGG-19 with seeded random weights in factors of full rank: its outputs must stay, and what they cost.

    python -m benchmarks.bottleneck [--mode MODE]

For each kind of factors: every layer that falls into them is replaced at full rank, all 16 convolutions and, by svd,
the three fully connected layers; the scores before Softmax are compared to those of the network as it was, by cnnir and
by ONNX Runtime on the exported files. Exits with 1 when one is off by more than a ten-thousandth of the largest score.
It takes some minutes and several GiB of memory: the first fully connected layer has a hundred million weights.
"""

import argparse
import sys
import textwrap
import time
from collections.abc import Sequence

import numpy as np
import onnxruntime

import cnnir
from cnnir.compare import figures, figures_text
from cnnir.exporters.onnx import write
from cnnir.graph import Graph
from cnnir.passes.bottleneck import Bottleneck, end_to_end
from cnnir.weights import AnyArray
from tests.models import before_softmax, path, random_input, with_random_weights

LIMIT = 1e-4
"""Of the largest score."""

MODES = {"svd": 19, "tucker": 16, "separable": 16}
"""How many of the layers fall into factors of each kind."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; 1 when outputs are off by more than the limit, or a layer was left out."""
    parser = argparse.ArgumentParser(description="VGG-19 in factors of full rank.")
    parser.add_argument("--mode", choices=tuple(MODES), help="only this kind of factors")
    options = parser.parse_args(argv)
    graph = network()
    feed = random_input(graph)
    expected = scores(graph, feed)
    missed = False
    for mode, layers in MODES.items():
        if options.mode in (None, mode):
            missed |= not measure(graph, feed, expected, mode, layers)
    return int(missed)


def network() -> Graph:
    """VGG-19 of the onnx package with random weights; its output is what goes into Softmax."""
    graph = with_random_weights(cnnir.load(path("vgg19")))
    graph.set_outputs([graph.value(before_softmax(graph)[-1])])
    return graph.apply("dead-code").graph


def measure(graph: Graph, feed: dict[str, AnyArray], expected: AnyArray, mode: str, layers: int) -> bool:
    """Replace all layers by one kind of factors, and print what came of it; True when the target is met."""
    begin = time.perf_counter()
    result = graph.apply(Bottleneck(mode=mode, ratio=1.0, measure=False))
    seconds = time.perf_counter() - begin
    ours = end_to_end(graph, result.graph, [feed]).largest
    found = scores(result.graph, feed)
    theirs = float(np.abs(found - expected).max() / np.abs(expected).max())
    factorised = result.metrics["layers factorised"]
    met = max(ours, theirs) <= LIMIT and factorised == layers
    print(f"{mode}: {factorised} of {layers} layers, {seconds:.0f} s")
    print(f"  off by {ours:.1e} of the largest score, by ONNX Runtime {theirs:.1e}, target {LIMIT:g}:", end=" ")
    print("met" if met else "MISSED")
    print(textwrap.indent(figures_text(figures(graph, result.graph)), "  "), end="", flush=True)
    return met


def scores(graph: Graph, feed: dict[str, AnyArray]) -> AnyArray:
    """What ONNX Runtime computes from the exported network."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(write(graph).SerializeToString(), options, ["CPUExecutionProvider"])
    return np.asarray(session.run(None, feed)[0])


if __name__ == "__main__":
    sys.exit(main())
