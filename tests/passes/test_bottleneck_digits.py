"""The example: a network trained on digits, its factors judged on images that were held out."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits.py"


def test_the_table() -> None:
    """The example as people run it; one thread, since its matrices are small and other tests run beside it."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(EXAMPLE.parents[1])}
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], capture_output=True, text=True, check=True, env=environment, timeout=600
    )
    head, _, trained, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    assert len(rows) == 12
    accuracy = float(trained[3].rstrip("%"))
    assert accuracy >= 97
    macs = int(trained[2].replace(",", ""))
    for ranks, _, cost, plain, aware, plain_error, aware_error in rows:
        assert float(aware_error) <= float(plain_error)
        if "ratio 1.0" in ranks:
            assert float(aware_error) < 1e-3
            assert float(plain.rstrip("%")) == float(aware.rstrip("%")) == accuracy
        else:
            assert float(aware_error) < float(plain_error)
        if "MACs" in ranks:
            assert int(cost.replace(",", "")) <= float(ranks.split()[-1]) * macs
            assert float(aware.rstrip("%")) > float(plain.rstrip("%"))
    page = (EXAMPLE.parents[1] / "docs" / "bottlenecks.md").read_text()
    assert done.stdout.splitlines()[0] in page
    assert len(head) == 7


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
        original, small = weights[name], np.float32(1e-3 / np.abs(direction).max())
        losses = []
        for sign in (1, -1):
            weights[name] = original + sign * small * direction
            losses.append(loss())
        weights[name] = original
        measured = (losses[0] - losses[1]) / (2 * float(small))
        expected = float((grad * direction).sum())
        assert abs(measured - expected) < 0.03 * abs(expected) + 1e-3 * float(np.linalg.norm(grad)), name
