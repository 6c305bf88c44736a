"""Memory planning: which values share storage, in which order the nodes run, at which offset each storage lies."""

from cnnir.passes.memory.placement import Buffer, Placement, live_peak, place
from cnnir.passes.memory.planner import ARENA, DEFAULT_ALIGNMENT, INTERFACE, plan
from cnnir.passes.memory.sharing import Sharing, known_bytes, share

__all__ = [
    "ARENA",
    "DEFAULT_ALIGNMENT",
    "INTERFACE",
    "Buffer",
    "Placement",
    "Sharing",
    "known_bytes",
    "live_peak",
    "place",
    "plan",
    "share",
]
