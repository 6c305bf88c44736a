"""The example: a network trained on digits, its factors judged on images that were held out."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cnnir.passes.bottleneck import batched
from tests.passes.test_bottleneck import runtime

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits.py"


def test_the_table() -> None:
    """The example as people run it; one thread, since its matrices are small and other tests run beside it."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(EXAMPLE.parents[1])}
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], capture_output=True, text=True, check=True, env=environment, timeout=600
    )
    head, _, trained, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    assert len(rows) == 15
    accuracy = float(trained[3].rstrip("%"))
    assert accuracy >= 97
    macs = int(trained[2].replace(",", ""))
    for ranks, _, cost, plain, aware, plain_error, aware_error in rows:
        assert float(aware_error) <= float(plain_error)
        if "ratio 1.0" in ranks:
            assert float(aware_error) < 1e-3
            assert float(plain_error) < 1e-3
            assert float(plain.rstrip("%")) == float(aware.rstrip("%")) == accuracy
        else:
            assert float(aware_error) < float(plain_error)
        if "MACs" in ranks:
            assert int(cost.replace(",", "")) <= float(ranks.split()[-1]) * macs
            assert float(aware.rstrip("%")) > float(plain.rstrip("%"))
    page = (EXAMPLE.parents[1] / "docs" / "bottlenecks.md").read_text()
    assert done.stdout in page
    assert len(head) == 7


def test_full_rank_keeps_the_trained_network() -> None:
    """On every held-out image, by ONNX Runtime on the exported file; every layer was trained and is replaced."""
    example: dict[str, Any] = runpy.run_path(str(EXAMPLE))
    data = example["digits"]()
    initial, weights = example["train"](data, epochs=0), example["train"](data)
    assert all((np.abs(weights[name] - before) > 0).mean() > 0.5 for name, before in initial.items())
    graph = example["network"](weights)
    assert example["accuracy"](graph, data) >= 0.97
    for mode, layers in (("svd", 5), ("tucker", 3), ("separable", 3), ("auto", 5)):
        result = graph.apply("bottleneck", mode=mode, ratio=1.0, measure=False)
        assert result.metrics["layers factorised"] == layers
        for feed in batched("image", data.test_images, 40):
            ours, theirs = (
                runtime(one, {"image": feed["image"].astype(np.float32)})[0] for one in (graph, result.graph)
            )
            assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(ours).max()


def test_gradients_are_those_of_the_loss() -> None:
    """Against differences of the loss itself, in every layer."""
    example: dict[str, Any] = runpy.run_path(str(EXAMPLE))
    data = example["digits"]()
    weights = example["train"](data, epochs=0)
    images, labels = data.images[:40], data.labels[:40]
    grads = example["step"](weights, images, labels)

    def loss() -> float:
        scores = example["scores"](example["network"](weights), images).astype(np.float64)
        shares = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return float(-shares[np.arange(len(labels)), labels].mean())

    rng = np.random.default_rng(0)
    for name, grad in grads.items():
        direction = rng.standard_normal(grad.shape).astype(np.float32)
        original, small = weights[name], float(1e-3 / np.abs(direction).max())
        losses = []
        for sign in (1, -1):
            weights[name] = original + sign * small * direction
            losses.append(loss())
        weights[name] = original
        measured = (losses[0] - losses[1]) / (2 * float(small))
        expected = float((grad * direction).sum())
        assert abs(measured - expected) < 0.03 * abs(expected) + 1e-3 * float(np.linalg.norm(grad)), name
