"""The memory plan: data, JSON, and the check that proves it."""

from cnnir.plan.arrays import Strided, strided
from cnnir.plan.check import check_plan
from cnnir.plan.faithful import weight_bytes
from cnnir.plan.model import (
    JOIN,
    KERNEL,
    SCHEMA,
    VIEW,
    Bound,
    MemoryPlan,
    Piece,
    PlannedValue,
    Pool,
    Scratch,
    Status,
    Step,
    Storage,
    row_major_strides,
)
from cnnir.plan.traffic import moved_bytes, moving_cost, step_traffic, storage_traffic

__all__ = [
    "JOIN",
    "KERNEL",
    "SCHEMA",
    "VIEW",
    "Bound",
    "MemoryPlan",
    "Piece",
    "PlannedValue",
    "Pool",
    "Scratch",
    "Status",
    "Step",
    "Storage",
    "Strided",
    "check_plan",
    "moved_bytes",
    "moving_cost",
    "row_major_strides",
    "step_traffic",
    "storage_traffic",
    "strided",
    "weight_bytes",
]
