"""Products of matrices in blocks.

A large product spends a part of its time on packing its operands. BLAS libraries that compute small products as they
lie (OpenBLAS where it has AVX-512) do many small ones faster than a large one, and for the few positions of a small map
up to twice as fast: so the filters are kept in blocks, and the positions are taken in blocks by the same call.
"""

MOST = 600_000
"""Multiply-accumulates of a block; from a million on OpenBLAS packs."""

WIDE = 64
"""Filters of a block at the most."""

NARROW = 16
"""And at least, where there are more."""

TALL = 8
"""Positions of a block at least, where there are more."""


def filters_of_block(channels: int, filters: int) -> int:
    """How many filters a block has: a divisor of their number; 0 where blocks would be too small, or too large."""
    least = min(TALL * channels, MOST)
    for width in range(min(WIDE, filters), min(NARROW, filters) - 1, -1):
        if filters % width == 0 and least * width <= MOST:
            return width
    return 0


def positions_of_block(channels: int, width: int, positions: int) -> int:
    """How many positions a block of so many filters has, as equal as can be."""
    most = max(1, min(positions, MOST // max(channels * width, 1)))
    return -(-positions // -(-positions // most)) if positions else 1


__all__ = ["filters_of_block", "positions_of_block"]
