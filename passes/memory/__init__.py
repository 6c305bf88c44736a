"""Memory planning: which values share storage, in which order the nodes run, at which offset each storage lies."""

from cnnir.passes.memory.budget import Answer, fits
from cnnir.passes.memory.fastest import fastest
from cnnir.passes.memory.forming import Fuse
from cnnir.passes.memory.lives import Life, lives
from cnnir.passes.memory.order import Schedule, schedule
from cnnir.passes.memory.placement import Body, Buffer, Placement, Slice, live_peak, place
from cnnir.passes.memory.planner import ARENA, DEFAULT_ALIGNMENT, INTERFACE, plan
from cnnir.passes.memory.pools import Memory
from cnnir.passes.memory.problem import Atom, Problem, Task
from cnnir.passes.memory.rewriting import Rewritten, find_rewritten, plan_rewritten
from cnnir.passes.memory.sizes import known_bytes
from cnnir.passes.memory.symbolic import SymbolicPlan, symbolic_plan

__all__ = [
    "ARENA",
    "DEFAULT_ALIGNMENT",
    "INTERFACE",
    "Answer",
    "Atom",
    "Body",
    "Buffer",
    "Fuse",
    "Life",
    "Memory",
    "Placement",
    "Problem",
    "Rewritten",
    "Schedule",
    "Slice",
    "SymbolicPlan",
    "Task",
    "fastest",
    "find_rewritten",
    "fits",
    "known_bytes",
    "live_peak",
    "lives",
    "place",
    "plan",
    "plan_rewritten",
    "schedule",
    "symbolic_plan",
]
