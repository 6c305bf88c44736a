"""At which offset each storage lies, for given lives: rigid bodies into one pool, as low as can be, with a bound."""

from cnnir.passes.memory.placement.bounds import aligned_peak, live_peak
from cnnir.passes.memory.placement.model import FITS, OPEN, OPTIMAL, TOO_LARGE, Body, Buffer, Placement, Slice
from cnnir.passes.memory.placement.portfolio import place

__all__ = [
    "FITS",
    "OPEN",
    "OPTIMAL",
    "TOO_LARGE",
    "Body",
    "Buffer",
    "Placement",
    "Slice",
    "aligned_peak",
    "live_peak",
    "place",
]
