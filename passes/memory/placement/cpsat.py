"""CP-SAT, the solver of OR-Tools, as one more search: rectangles in time and space that do not overlap.

Good at saying whether everything fits below a height, poor at finding the least one, so it is asked for heights. One
worker, a seed and a limit in its own units of work: the same version gives the same answer.
"""

import importlib
import importlib.util
from typing import Any

from cnnir.errors import CnnirError
from cnnir.passes.memory.placement.instance import Instance
from cnnir.passes.memory.placement.model import Answer


def require_solver() -> None:
    """Say so before any work when the solver is missing.

    Raises:
        CnnirError: ``extra-missing``.
    """
    if importlib.util.find_spec("ortools") is None:
        raise CnnirError(
            "extra-missing", "CP-SAT is asked for, and OR-Tools is not installed", hint="pip install cnnir[fast]"
        )


class Solver:
    """CP-SAT over one instance, for any capacity."""

    def __init__(self, instance: Instance) -> None:
        """Any instance: bodies of any form, alignments, fixed bases."""
        self.instance = instance

    def run(self, capacity: int, work: float, seed: int) -> Answer:
        """Look for a placement that is no higher than the capacity; the answer's nodes are 0.

        Args:
            capacity: Bytes.
            work: Units of CP-SAT's deterministic time, about seconds.
            seed: Of its choices.
        """
        instance = self.instance
        limits = [(capacity - reach) // instance.unit for reach in instance.reach]
        if any(limits[body] < 0 for body in instance.free):
            return Answer(None, impossible=True, nodes=0)
        # By name, so that no check of types needs the package.
        cp_model: Any = importlib.import_module("ortools.sat.python.cp_model")
        model = cp_model.CpModel()
        steps = {}
        bases: list[Any] = [base or 0 for base in instance.fixed]
        for body in instance.free:
            steps[body] = model.new_int_var(0, limits[body] // instance.step[body], f"step{body}")
            bases[body] = steps[body] * instance.step[body]
        times, places = [], []
        for body, pieces in enumerate(instance.slices):
            for index, piece in enumerate(pieces):
                name = f"{body}.{index}"
                life = piece.last - piece.first + 1
                times.append(model.new_fixed_size_interval_var(piece.first, life, f"time{name}"))
                places.append(
                    model.new_fixed_size_interval_var(bases[body] + piece.offset, piece.bytes, f"place{name}")
                )
        model.add_no_overlap_2d(times, places)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = seed % (1 << 31)
        solver.parameters.max_deterministic_time = work
        found = solver.solve(model)
        if found in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            result = [base or 0 for base in instance.fixed]
            for body, step in steps.items():
                result[body] = solver.value(step) * instance.step[body]
            return Answer(result, impossible=False, nodes=0, how="CP-SAT")
        if found not in (cp_model.INFEASIBLE, cp_model.UNKNOWN):
            raise CnnirError("placement-solver", "CP-SAT refuses the model", got=solver.status_name(found))
        return Answer(None, impossible=found == cp_model.INFEASIBLE, nodes=0)
