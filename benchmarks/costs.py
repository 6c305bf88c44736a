"""Measure what a cost profile says of this machine, and print it as ``cnnir.costs/1``.

    python -m benchmarks.costs [--name NAME] [--repeat N]

One thread; each rate is the best of several repetitions. `Profile.from_json` reads it.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402  the number of threads is read when it is loaded

from cnnir.algorithms.profile import Profile  # noqa: E402
from cnnir.algorithms.ways.base import Kind  # noqa: E402

_RNG = np.random.default_rng(0)


def _floats(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return _RNG.standard_normal(shape).astype(np.float32)


def _product() -> tuple[int, Callable[[], object]]:
    """A layer of ResNet-50: 784 positions, 1152 to 512 channels."""
    left, right, out = _floats(784, 1152), _floats(1152, 512), _floats(784, 512)
    return 784 * 1152 * 512, lambda: np.matmul(left, right, out=out)


def _block() -> tuple[int, Callable[[], object]]:
    """The same in blocks of positions and filters."""
    left, right, out = _floats(98, 1, 8, 1152), _floats(8, 1152, 64), _floats(98, 8, 8, 64)
    return 784 * 1152 * 512, lambda: np.matmul(left, right, out=out)


def _vector() -> tuple[int, Callable[[], object]]:
    """A fully connected layer of one image."""
    left, right, out = _floats(1, 4096), _floats(4096, 4096), _floats(1, 4096)
    return right.nbytes, lambda: np.matmul(left, right, out=out)


def _transform() -> tuple[int, Callable[[], object]]:
    """The first half of an input transform of F(4x4, 3x3), one row of tiles of 64 channels."""
    left, right, out = _floats(6, 6), _floats(6, 58 * 64), _floats(6, 58 * 64)
    return 6 * 6 * 58 * 64, lambda: np.matmul(left, right, out=out)


def _element() -> tuple[int, Callable[[], object]]:
    """An addition within the second-level cache."""
    left, right = _floats(1 << 16), _floats(1 << 16)
    return 1 << 16, lambda: np.add(left, right, out=right)


def _function() -> tuple[int, Callable[[], object]]:
    """An exponential within the second-level cache."""
    data, out = _floats(1 << 16), _floats(1 << 16)
    return 1 << 16, lambda: np.exp(data, out=out)


def _copy() -> tuple[int, Callable[[], object]]:
    """A copy of more than the caches hold, in rows of some hundred bytes, as columns and padded maps are copied."""
    data, out = _floats(1 << 17, 58), _floats(1 << 17, 56)
    return out.nbytes, lambda: np.copyto(out, data[:, 1:57])


def _call() -> tuple[int, Callable[[], object]]:
    """A call that does next to nothing."""
    left, right = _floats(4, 4), _floats(4, 4)
    return 1, lambda: np.add(left, right, out=right)


_MEASURED: dict[Kind, Callable[[], tuple[int, Callable[[], object]]]] = {
    "product": _product,
    "block": _block,
    "vector": _vector,
    "transform": _transform,
    "element": _element,
    "function": _function,
    "copy": _copy,
    "call": _call,
}


def rate(amount: int, run: Callable[[], object], repeat: int) -> float:
    """Units a second, the best of `repeat` repetitions of about five milliseconds."""
    run()
    begin = time.perf_counter()
    run()
    count = max(1, int(0.005 / max(time.perf_counter() - begin, 1e-7)))
    best = float("inf")
    for _ in range(repeat):
        begin = time.perf_counter()
        for _ in range(count):
            run()
        best = min(best, (time.perf_counter() - begin) / count)
    return amount / best


def measured(name: str, repeat: int) -> Profile:
    """The profile of this machine, three digits of each rate."""
    rates: dict[Kind, float] = {kind: float(f"{rate(*make(), repeat):.3g}") for kind, make in _MEASURED.items()}
    source = f"python -m benchmarks.costs, {platform.machine()}, NumPy {np.__version__}, one thread"
    return Profile(name, source, rates)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default=platform.node() or "here", help="of the profile (default: the machine's)")
    parser.add_argument("--repeat", type=int, default=50, metavar="N", help="repetitions (default: 50)")
    options = parser.parse_args(argv)
    sys.stdout.write(measured(options.name, options.repeat).to_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
