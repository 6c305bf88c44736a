"""Factors that know the data: errors count where the layer's inputs vary.

Sample inputs run through the network in the NumPy interpreter. An svd then keeps the directions in which the layer's
own outputs vary most (Zhang et al. 2016, section 3.1), which for inputs of covariance S is the best approximation of
the weight W in the norm of ``W S W'``. Tucker and separable factors weigh the input side by the covariance of the
channels, or of the vertical windows. All are centred: the mean of what is lost goes into the bias, where the layer can
have one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter import run
from cnnir.ops import Conv, Gemm
from cnnir.passes.base import Journal, PassResult
from cnnir.passes.bottleneck.bottleneck import Bottleneck
from cnnir.passes.bottleneck.factorise import FACTOR_MODES, factorise
from cnnir.passes.bottleneck.factors import Doubles, Kind, Metric
from cnnir.passes.bottleneck.sites import Decompositions, Site, find_sites
from cnnir.verify import verify
from cnnir.weights import AnyArray


def data_aware(
    graph: Graph,
    feeds: Mapping[str, AnyArray] | Sequence[Mapping[str, AnyArray]],
    options: Bottleneck,
) -> PassResult:
    """The pass `bottleneck` with errors that count by what samples say.

    Args:
        graph: Left as it is.
        feeds: Sample inputs: an array for each input of the graph, by name; or several such sets.
        options: Of the pass, in a factorising mode.

    Returns:
        The new graph, with the same journal as the pass's, errors weighed by the samples.

    Raises:
        CnnirError: ``option-value`` for options that do not factorise, ``samples-missing`` for feeds that are none;
            from running, and from the pass.
    """
    batches = _batches(feeds, options)
    target = options.target()
    target.check()
    clone, journal = graph.clone(), Journal()
    sites = find_sites(clone, options.nodes, Journal())
    metrics = gather(clone, batches, sites, options.mode)
    made = Decompositions(metrics)
    factorise(clone, journal, options.mode, options.nodes, target, made, measure=options.measure, feeds=batches)
    verify(clone)
    return PassResult(clone, tuple(journal.changes), tuple(journal.refusals), journal.metrics)


def _batches(feeds: object, options: object) -> list[Mapping[str, AnyArray]]:
    """The sets of samples; what was given may be anything."""
    if not isinstance(options, Bottleneck) or options.mode not in FACTOR_MODES:
        raise CnnirError(
            "option-value", "only factors can know the data", node="data_aware",
            expected=f"Bottleneck(mode={' or '.join(FACTOR_MODES)})", got=options, hint="Bottleneck(ratio=0.5), say",
        )  # fmt: skip
    batches = [feeds] if isinstance(feeds, Mapping) else feeds
    if not isinstance(batches, Iterable) or isinstance(batches, str | bytes | np.ndarray):
        batches = (feeds,)
    found: list[Any] = list(batches)
    wrong = [one for one in found if not isinstance(one, Mapping)]
    if wrong or not found:
        raise CnnirError(
            "samples-missing", "there is nothing to learn the data from", node="data_aware",
            expected="an array for each input of the graph by name, or several such sets",
            got=f"a {type(wrong[0]).__name__}" if wrong else "no feeds", hint="batched(name, samples, size) makes sets",
        )  # fmt: skip
    return found


def gather(
    graph: Graph, batches: Sequence[Mapping[str, AnyArray]], sites: Sequence[Site], mode: str
) -> dict[tuple[str, Kind], Metric]:
    """What samples say about each layer, for each kind that a mode may use.

    Raises:
        CnnirError: from running.
    """
    moments: dict[tuple[Site, Kind], _Moments] = {
        (site, kind): _Moments.of(site) for site in sites for kind in site.kinds if mode in (kind, "auto")
    }
    wanted = dict.fromkeys(name for site, _ in moments for name in _names(site))
    for feed in batches:
        values = run(graph, feed, list(wanted))
        for (site, kind), moment in moments.items():
            data, output = (values[name] for name in _names(site))
            # Infinities and NaN are refused where they are used, by the layer's name.
            with np.errstate(all="ignore"):
                moment.add(_rows(site, kind, data, output), _channels(site, data))
    with np.errstate(all="ignore"):
        return {(site.node.name, kind): moment.metric() for (site, kind), moment in moments.items()}


def _names(site: Site) -> tuple[str, str]:
    data = site.node.inputs[0]
    assert data is not None  # noqa: S101  a site has an input
    return data.name, site.node.output.name


def _channels(site: Site, data: AnyArray) -> Doubles:
    """The layer's inputs as ``[C, samples]``."""
    if isinstance(site.node.op, Conv):
        return _flat(data, 1)
    return _flat(data, 0 if isinstance(site.node.op, Gemm) and site.node.op.trans_a else -1)


def _rows(site: Site, kind: Kind, data: AnyArray, output: AnyArray) -> Doubles:
    """What the kind's covariance is of, as ``[rows, samples]``."""
    if kind == "svd":
        return _flat(output, 1 if isinstance(site.node.op, Conv) else -1)
    return _channels(site, data) if kind == "tucker" else _windows(site, data, output)


def _flat(array: AnyArray, axis: int) -> Doubles:
    return np.asarray(np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1), np.float64)


def _windows(site: Site, data: AnyArray, output: AnyArray) -> Doubles:
    """The columns of cells that a vertical window sees, ``[C * height, samples]``."""
    op = site.node.op
    assert isinstance(op, Conv)  # noqa: S101  only a convolution is separated
    height = site.shape[2]
    pads = op.window(site.shape).resolved_pads(data.shape[2:])
    padded = np.pad(data, ((0, 0), (0, 0), (pads[0], pads[2]), (0, 0)))
    reach = (output.shape[2] - 1) * op.strides[0] + 1
    parts = [padded[:, :, row * op.dilations[0] :][:, :, : reach : op.strides[0]] for row in range(height)]
    return _flat(np.stack(parts, axis=2).transpose(1, 2, 0, 3, 4).reshape(data.shape[1] * height, -1), 0)


@dataclass
class _Moments:
    """Sums over samples, from which mean and covariance follow."""

    centred: bool
    count: int = 0
    channel_count: int = 0
    rows: Doubles | None = None
    products: Doubles | None = None
    channels: Doubles | None = None

    @classmethod
    def of(cls, site: Site) -> "_Moments":
        return cls(site.correction is not None)

    def add(self, rows: Doubles, channels: Doubles) -> None:
        """Take in more samples."""
        self.rows = _plus(self.rows, rows.sum(axis=1))
        self.products = _plus(self.products, rows @ rows.T)
        self.channels = _plus(self.channels, channels.sum(axis=1))
        self.count += rows.shape[1]
        self.channel_count += channels.shape[1]

    def metric(self) -> Metric:
        """Mean and covariance; without a bias to correct, nothing is centred."""
        assert self.rows is not None  # noqa: S101  every batch was added
        assert self.products is not None  # noqa: S101
        assert self.channels is not None  # noqa: S101
        count = max(self.count, 1)
        channels = self.channels / max(self.channel_count, 1)
        if not self.centred:
            return Metric(np.zeros_like(channels), self.products / count)
        mean = self.rows / count
        return Metric(channels, self.products / count - np.outer(mean, mean))


def _plus(total: Doubles | None, more: Doubles) -> Doubles:
    return more if total is None else total + more


def batched(name: str, samples: AnyArray, size: int) -> Iterable[dict[str, AnyArray]]:
    """Feeds of one input, so many samples at a time; what is left over at the end is not used.

    Args:
        name: Of the graph's input.
        samples: ``[number, ...]``.
        size: The input's batch.
    """
    for start in range(0, len(samples) - size + 1, size):
        yield {name: samples[start : start + size]}
