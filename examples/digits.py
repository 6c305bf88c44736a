"""Train a small network on scikit-learn's digits in plain NumPy, and factorise it with and without knowing the data.

    python examples/digits.py

Two convolutions, pooling, a third convolution and two fully connected layers, on images of 8x8; every layer is trained,
with gradients written out below. What is printed is the table in docs/bottlenecks.md.

Training comes to the same weights on every machine: what enters a matrix product is rounded to a grid so coarse that
products and their sums are exact in double precision, whatever order a library adds them up in.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from cnnir import GraphBuilder
from cnnir.analysis import costs
from cnnir.graph import Graph
from cnnir.passes.bottleneck import Bottleneck, batched, data_aware
from cnnir.weights import Array

Floats = NDArray[np.floating[Any]]
Parameters = dict[str, Floats]

BATCH = 40
CONVOLUTIONS = {"conv1": (16, 1), "conv2": (32, 16), "conv3": (32, 32)}
"""Filters and channels of the 3x3 convolutions."""
LINEARS = {"fc1": (64, 512), "fc2": (10, 64)}
"""Outputs and inputs of the fully connected layers."""
FINE = 24
"""Bits behind the point of gradients."""


@dataclass(frozen=True)
class Digits:
    """Images ``[number, 1, 8, 8]`` of zero mean and their labels, for training and held out."""

    images: Floats
    labels: NDArray[np.int64]
    test_images: Floats
    test_labels: NDArray[np.int64]


def digits(seed: int = 0) -> Digits:
    """1437 images to train on and 360 held out, in an order drawn from the seed."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    images = (pixels[order].reshape(-1, 1, 8, 8) / 8 - 1).astype(np.float32)
    labels = labels[order].astype(np.int64)
    held_out = 9 * BATCH
    return Digits(images[held_out:], labels[held_out:], images[:held_out], labels[:held_out])


# The network and its gradients


def on_grid(x: Floats, bits: int = 16) -> NDArray[np.float64]:
    """Rounded to multiples of ``2 ** -bits``; those of gradients are finer, since gradients are small."""
    return np.round(np.asarray(x, np.float64) * 2.0**bits) / 2.0**bits


def windows(x: Floats) -> Floats:
    """Every 3x3 window of a map padded by one: ``[N, C, H, W] -> [N, H, W, C * 9]``."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return seen.transpose(0, 2, 3, 1, 4, 5).reshape(*x.shape[:1], *x.shape[2:], -1)


def from_windows(grad: Floats, channels: int) -> Floats:
    """The gradient of `windows`: what each window says of a cell, summed."""
    number, height, width, _ = grad.shape
    parts = grad.reshape(number, height, width, channels, 3, 3).transpose(0, 3, 1, 2, 4, 5)
    result = np.zeros((number, channels, height + 2, width + 2))
    for row in range(3):
        for column in range(3):
            result[:, :, row : row + height, column : column + width] += parts[..., row, column]
    return result[:, :, 1:-1, 1:-1]


Backward = Callable[[Floats], Floats]


def convolve(x: Floats, name: str, weights: Parameters, grads: Parameters) -> tuple[Floats, Backward]:
    """A 3x3 convolution and ReLU; calling the second result fills in the layer's gradients."""
    weight = on_grid(weights[f"{name}.weight"].reshape(len(weights[f"{name}.weight"]), -1))
    seen = windows(on_grid(x))
    result = seen @ weight.T + weights[f"{name}.bias"]

    def backward(grad: Floats) -> Floats:
        grad = on_grid(np.where(result > 0, grad.transpose(0, 2, 3, 1), 0.0), FINE)
        flat = grad.reshape(-1, len(weight))
        grads[f"{name}.weight"] = (flat.T @ seen.reshape(len(flat), -1)).reshape(weights[f"{name}.weight"].shape)
        grads[f"{name}.bias"] = flat.sum(axis=0)
        return from_windows(grad @ weight, x.shape[1])

    return np.maximum(result, 0).transpose(0, 3, 1, 2), backward


def pool(x: Floats) -> tuple[Floats, Backward]:
    """2x2 max pooling."""
    number, channels, height, width = x.shape
    cells = x.reshape(number, channels, height // 2, 2, width // 2, 2)
    result = cells.max(axis=(3, 5), keepdims=True)
    won = cells == result

    def backward(grad: Floats) -> Floats:
        return (won * grad[:, :, :, None, :, None]).reshape(x.shape)

    return result[:, :, :, 0, :, 0], backward


def connect(x: Floats, name: str, weights: Parameters, grads: Parameters, *, relu: bool) -> tuple[Floats, Backward]:
    """A fully connected layer, with ReLU or without."""
    weight, x = on_grid(weights[f"{name}.weight"]), on_grid(x)
    result = x @ weight.T + weights[f"{name}.bias"]

    def backward(grad: Floats) -> Floats:
        grad = on_grid(np.where(result > 0, grad, 0.0) if relu else grad, FINE)
        grads[f"{name}.weight"], grads[f"{name}.bias"] = grad.T @ x, grad.sum(axis=0)
        return grad @ weight

    return (np.maximum(result, 0) if relu else result), backward


def step(weights: Parameters, images: Floats, labels: NDArray[np.int64]) -> Parameters:
    """Gradients of the mean cross-entropy over a batch."""
    grads: Parameters = {}
    chain: list[Backward] = []
    x = images
    for name in CONVOLUTIONS:
        x, back = convolve(x, name, weights, grads)
        chain.append(back)
        if name == "conv2":
            x, back = pool(x)
            chain.append(back)
    maps = x.shape
    chain.append(lambda grad: grad.reshape(maps))
    x = x.reshape(len(x), -1)
    for name in LINEARS:
        x, back = connect(x, name, weights, grads, relu=name == "fc1")
        chain.append(back)
    shares = np.exp(x - x.max(axis=1, keepdims=True))
    grad = shares / shares.sum(axis=1, keepdims=True)
    grad[np.arange(len(labels)), labels] -= 1
    grad /= len(labels)
    for back in reversed(chain):
        grad = back(grad)
    return grads


def train(data: Digits, *, epochs: int = 8, rate: float = 0.002, seed: int = 0) -> Parameters:
    """Adam (Kingma and Ba, 2015) on every layer, from He's initial weights, its rate falling to zero."""
    rng = np.random.default_rng(seed)
    weights: Parameters = {}
    shapes = {name: (*shape, 3, 3) for name, shape in CONVOLUTIONS.items()}
    for name, shape in {**shapes, **LINEARS}.items():
        scale = np.sqrt(2 / np.prod(shape[1:]))
        weights[f"{name}.weight"] = on_grid(rng.normal(0, scale, shape))
        weights[f"{name}.bias"] = np.zeros(shape[0])
    means = {name: np.zeros_like(value) for name, value in weights.items()}
    squares = {name: np.zeros_like(value) for name, value in weights.items()}
    batches = list(epochs_of(data, epochs, rng))
    for number, (images, labels) in enumerate(batches, start=1):
        grads = step(weights, images, labels)
        current = rate * (1 - (number - 1) / len(batches))
        for name, exact in grads.items():
            grad = on_grid(exact, FINE)
            means[name] = 0.9 * means[name] + 0.1 * grad
            squares[name] = 0.999 * squares[name] + 0.001 * grad**2
            mean, square = means[name] / (1 - 0.9**number), squares[name] / (1 - 0.999**number)
            weights[name] = on_grid(weights[name] - current * mean / (np.sqrt(square) + 1e-8), FINE)
    return weights


def epochs_of(data: Digits, epochs: int, rng: np.random.Generator) -> Iterator[tuple[Floats, NDArray[np.int64]]]:
    """Batches of all training images in a new order each time."""
    for _ in range(epochs):
        order = rng.permutation(len(data.labels))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            yield data.images[chosen], data.labels[chosen]


# The graph


def network(weights: Parameters) -> Graph:
    """The trained network for a batch of images; its outputs are the scores before Softmax."""
    builder = GraphBuilder("digits")
    x = builder.input("image", (BATCH, 1, 8, 8))
    for name, (filters, _) in CONVOLUTIONS.items():
        x = builder.relu(builder.conv(x, filters, kernel=3, padding=1, name=name))
        if name == "conv2":
            x = builder.max_pool(x, 2)
    x = builder.flatten(x)
    x = builder.relu(builder.linear(x, LINEARS["fc1"][0], name="fc1"))
    graph = builder.build(builder.linear(x, LINEARS["fc2"][0], name="scores_fc2"))
    for name, contents in weights.items():
        graph.value(name if not name.startswith("fc2") else f"scores_{name}").weight = Array.of(
            contents.astype(np.float32)
        )
    return graph


def scores(graph: Graph, images: Floats) -> Floats:
    """Scores of the classes, ``[number, 10]``."""
    (output,) = graph.outputs
    return np.concatenate([graph.run(feed)[output.name] for feed in batched("image", images, BATCH)])


def accuracy(found: Floats, labels: NDArray[np.int64]) -> float:
    """Share of the images whose label has the highest score."""
    return float((found.argmax(axis=1) == labels).mean())


def output_error(found: Floats, exact: Floats) -> float:
    """Norm of the difference of the scores over the norm of the exact ones."""
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def table(graph: Graph, data: Digits) -> Iterator[str]:
    """One line for each choice of ranks, data-free and data-aware side by side, judged on held-out images."""
    seen, exact = list(batched("image", data.images, BATCH)), scores(graph, data.test_images)
    yield "| ranks | params | MACs an image | accuracy, data-free | data-aware | output error, data-free | data-aware |"
    yield "|---|---|---|---|---|---|---|"
    yield f"| as trained | {_costs(graph)} | {accuracy(exact, data.test_labels):.1%} | | | |"
    # The error end to end is measured here, on images that nobody has seen, and not by the pass.
    options = {
        f"{mode}, ratio {ratio}": Bottleneck(mode=mode, ratio=ratio, measure=False)
        for mode in ("svd", "tucker", "separable")
        for ratio in (1.0, 0.75, 0.5, 0.25)
    }
    options |= {f"auto, MACs {share}": Bottleneck(macs=share, measure=False) for share in (0.5, 0.25, 0.1)}
    for name, one in options.items():
        plain, aware = graph.apply(one).graph, data_aware(graph, seen, one).graph
        found = [scores(factored, data.test_images) for factored in (plain, aware)]
        rates = " | ".join(f"{accuracy(theirs, data.test_labels):.1%}" for theirs in found)
        errors = " | ".join(f"{output_error(theirs, exact):.3f}" for theirs in found)
        yield f"| {name} | {_costs(aware)} | {rates} | {errors} |"


def _costs(graph: Graph) -> str:
    found = costs(graph)
    return f"{found.params:,} | {int(str(found.macs)) // BATCH:,}"


if __name__ == "__main__":
    held = digits()
    trained = network(train(held))
    for line in table(trained, held):
        print(line)
