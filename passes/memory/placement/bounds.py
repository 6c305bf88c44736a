"""What no placement can be lower than."""

import heapq
from collections.abc import Iterable, Sequence
from itertools import chain

from cnnir.passes.memory.placement.model import Body, Buffer, Slice, rounded_up


def _parts(items: Iterable[Buffer | Body]) -> Iterable[Buffer | Slice]:
    return chain.from_iterable(item.slices if isinstance(item, Body) else (item,) for item in items)


def live_peak(items: Iterable[Buffer | Body]) -> int:
    """The largest sum of bytes live at one step: the lower bound of every placement."""
    events: dict[int, int] = {}
    for part in _parts(items):
        events[part.first] = events.get(part.first, 0) + part.bytes
        events[part.last + 1] = events.get(part.last + 1, 0) - part.bytes
    live = peak = 0
    for step in sorted(events):
        live += events[step]
        peak = max(peak, live)
    return peak


def aligned_peak(items: Iterable[Buffer | Body], alignment: int) -> int:
    """No placement in which every slice begins at a multiple of the alignment is lower; at least the `live_peak`.

    Of the slices that live at one step, all but the topmost push the next one up to a multiple, whatever their order.
    The topmost may be the one that saves most.
    """
    ends: list[tuple[int, int]] = []
    savings: list[tuple[int, int]] = []
    live = peak = 0
    for part in sorted(_parts(items), key=lambda part: part.first):
        rounded = rounded_up(part.bytes, alignment)
        heapq.heappush(ends, (part.last, rounded))
        heapq.heappush(savings, (part.bytes - rounded, part.last))
        live += rounded
        while ends[0][0] < part.first:
            live -= heapq.heappop(ends)[1]
        while savings[0][1] < part.first:
            heapq.heappop(savings)
        peak = max(peak, live + savings[0][0])
    return peak


def least_height(bodies: Sequence[Body], unit: int) -> int:
    """The best bound that costs nothing: live bytes with alignment, each body by itself, fixed bodies where they lie.

    Args:
        bodies: What has to be placed.
        unit: Every slice begins at a multiple of it, wherever its body lies.
    """
    alone = max(((body.fixed or 0) + body.reach for body in bodies), default=0)
    return max(alone, aligned_peak(bodies, unit))
