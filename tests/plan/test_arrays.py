"""Where the elements of a value lie: strided arrays, reshaped."""

import numpy as np

from cnnir.plan.arrays import Strided


def test_reshaped_arrays_are_those_of_numpy() -> None:
    """Of drawn arrays with exchanged axes and gaps: the same strides, or none where NumPy would have to copy."""
    rng = np.random.default_rng(0)
    views = 0
    for _ in range(2000):
        shape = tuple(int(size) for size in rng.choice([1, 2, 3, 4, 6], rng.integers(1, 5)))
        turned = rng.permutation(len(shape))
        whole = np.zeros([shape[axis] + int(rng.random() < 0.2) for axis in turned], np.int32)
        cut = whole[tuple(slice(shape[axis]) for axis in turned)].transpose(np.argsort(turned))
        target, rest = [], int(np.prod(shape))
        for _ in range(int(rng.integers(1, 5))):
            target.append(int(rng.choice([size for size in range(1, rest + 1) if rest % size == 0])))
            rest //= target[-1]
        wanted = cut.reshape((*target, rest))
        found = Strided("arena", 0, shape, cut.strides, 4).reshaped(wanted.shape)
        assert (found is not None) == np.shares_memory(wanted, whole)
        if found is not None:
            assert all(
                a == b for a, b, size in zip(found.strides, wanted.strides, wanted.shape, strict=True) if size > 1
            )
            views += 1
    assert views > 500
