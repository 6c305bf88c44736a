"""In which order the tasks run: the smallest peak, with a proof where the search comes to its end."""

from cnnir.passes.memory.order.alternatives import alternatives
from cnnir.passes.memory.order.schedule import EFFORT, Schedule, schedule

__all__ = ["EFFORT", "Schedule", "alternatives", "schedule"]
