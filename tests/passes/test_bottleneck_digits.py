"""The example: a network trained on digits, its factors judged on images that were held out."""

import contextlib
import io
import runpy
from pathlib import Path
from typing import Any

import numpy as np

from cnnir.passes.bottleneck import batched
from tests.passes.test_bottleneck import runtime

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits.py"


def test_the_example() -> None:
    """As people run it; one test, for tests of one file may run in several processes, and each would train anew."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        names = runpy.run_path(str(EXAMPLE), run_name="__main__")
    check_table(text.getvalue())
    check_full_rank(names)


def check_table(text: str) -> None:
    """Each claim of the page holds in every line, and the page has these very lines."""
    head, _, trained, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
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
    assert text in page
    assert len(head) == 7


def check_full_rank(example: dict[str, Any]) -> None:
    """It keeps the outputs for every held-out image in ONNX Runtime; every layer was trained and is replaced."""
    data, graph = example["held"], example["trained"]
    initial = example["network"](example["train"](data, epochs=0))
    for weight in graph.weights:
        assert weight.weight is not None
        before = initial.value(weight.name).weight
        assert before is not None
        assert (weight.weight.array() != before.array()).mean() > 0.5
    feeds = [{"image": feed["image"].astype(np.float32)} for feed in batched("image", data.test_images, 40)]
    exact = [runtime(graph, feed)[0] for feed in feeds]
    labels = np.concatenate(exact).argmax(axis=1)
    assert (labels == data.test_labels[: len(labels)]).mean() >= 0.97
    for mode, layers in (("svd", 5), ("tucker", 3), ("separable", 3), ("auto", 5)):
        result = graph.apply("bottleneck", mode=mode, ratio=1.0, measure=False)
        assert result.metrics["layers factorised"] == layers
        for feed, ours in zip(feeds, exact, strict=True):
            assert np.abs(ours - runtime(result.graph, feed)[0]).max() <= 1e-4 * np.abs(ours).max()


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
