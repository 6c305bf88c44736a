"""Convolution by Fourier transforms: products of spectra, for wide windows.

Mathieu, Henaff and LeCun, "Fast Training of Convolutional Networks through FFTs" (2014): the map with its padding and
the filters are transformed, multiplied frequency by frequency, added up over the channels, and transformed back. What
wraps around falls outside of the windows that fit. The filters' spectra are made once, and kept.
"""

import math
from collections.abc import Iterator

from cnnir.algorithms.base import Call
from cnnir.algorithms.ways.base import Way, Work, strips
from cnnir.ops import Conv

LEAST_WINDOW = 5
"""Cells along an axis: narrower windows are better off with columns, or with Winograd's tiles."""

ERROR = 6.3e-7
"""Largest error over the largest output in float32, normal inputs and filters of up to 512 channels: half more than the
largest that was met in maps of 9 x 9 to 28 x 28. It is a measure, no bound."""

_PRIMES = (2, 3, 5)


def fast_size(least: int) -> int:
    """The smallest number from `least` on that 2, 3 and 5 alone divide: transforms of such sizes are fast."""
    size = max(least, 1)
    while True:
        rest = size
        for prime in _PRIMES:
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1


def fft_ways(op: Conv, call: Call) -> Iterator[Way]:
    """So many channels at a time, of maps at stride 1, without gaps and groups.

    ``b * P0 * P1 + 2 * P0 * (P1 // 2 + 1) * (b + K)`` elements: b padded maps, in which results are transformed back
    as well, their spectra, and the sums of the products of all K filters; a complex number is two elements.
    """
    data, weight, out = call.input(0), call.input(1), call.output
    plain = all(number == 1 for number in (*op.strides, *op.dilations, op.group))
    if len(out.shape) != 4 or not plain or min(weight.shape[2:]) < LEAST_WINDOW:
        return
    images, channels, filters = data.shape[0], weight.shape[1], weight.shape[0]
    high, wide = (fast_size(size + cells - 1) for size, cells in zip(out.shape[2:], weight.shape[2:], strict=True))
    plane, spectrum = high * wide, 2 * high * (wide // 2 + 1)
    kept = out.itemsize * spectrum * channels * filters
    transformed = int(2.5 * plane * max(math.log2(plane), 1.0)) * (channels + filters)
    for count in strips(channels):
        passes = -(-channels // count) + -(-filters // count)
        work: Work = (
            ("element", images * transformed),
            ("vector", images * kept),
            ("copy", images * out.itemsize * plane * (channels + filters)),
            ("call", images * 4 * passes),
        )
        scratch = out.itemsize * (count * plane + spectrum * (count + filters))
        yield Way("fft", scratch, work, (("channels", count),), weight_bytes=kept, error=ERROR)


__all__ = ["fast_size", "fft_ways"]
