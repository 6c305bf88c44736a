"""Memory planning: which values share storage, in which order the nodes run, at which offset each storage lies."""

from cnnir.passes.memory.placement import Body, Buffer, Placement, Slice, live_peak, place
from cnnir.passes.memory.planner import ARENA, DEFAULT_ALIGNMENT, INTERFACE, plan
from cnnir.passes.memory.sharing import Sharing, known_bytes, share

__all__ = [
    "ARENA",
    "DEFAULT_ALIGNMENT",
    "INTERFACE",
    "Body",
    "Buffer",
    "Placement",
    "Sharing",
    "Slice",
    "known_bytes",
    "live_peak",
    "place",
    "plan",
    "share",
]
