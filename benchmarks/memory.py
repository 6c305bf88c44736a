"""Planned arenas of real networks, beside what is attainable by arithmetic, each with its bounds and its time.

    python -m benchmarks.memory [NAME ...]

Three levels of each network: a step a node (results in place, views); fused steps with concatenations that are not
copied, pooling pushed through them where that helps; and chains of convolutions. The figures beside them were worked
out for such networks by arithmetic, without a run: what a plan with fused steps is to reach, and a further level.
Exits with 1 when a plan with fused steps needs more than its figure, is not proved best for its sharing, or when a
light network takes more than a second of CPU.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import onnx

import cnnir
from cnnir import zoo
from cnnir.graph import Graph
from cnnir.passes.memory import plan_rewritten
from cnnir.passes.simplify import Simplify
from cnnir.plan import MemoryPlan

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

GOALS: dict[str, tuple[int, int | None]] = {
    "light_bvlc_alexnet": (923_904, None),
    "light_zfnet512": (1_847_424, None),
    "light_vgg19": (16_084_992, None),
    "light_inception_v1": (1_724_160, 1_541_440),
    "light_inception_v2": (1_806_336, None),
    "light_resnet50": (5_218_304, None),
    "light_squeezenet": (1_922_048, 820_544),
    "light_densenet121": (4_816_896, 3_619_840),
    "light_shufflenet": (1_831_424, 924_672),
    "vgg16": (16_084_992, None),
    "mobilenet_v2": (6_021_120, 1_433_600),
    "mobilenet_v3_small": (1_404_928, 824_320),
    "efficientnet_b0": (6_021_120, 2_408_544),
    "nasnet_a_large": (18_966_528, None),
    "pnasnet5_large": (20_835_144, None),
}
"""Bytes: with fused steps, and at the further level."""

ALIGNMENT = 4
"""Bytes: that of the elements, as in the figures."""

LIMIT = 1.0
"""Seconds of CPU for a light network; times are of CPU throughout."""


def main(argv: Sequence[str] | None = None) -> int:
    """All networks, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(GOALS)}")
    names = parser.parse_args(argv).names or list(GOALS)
    for name in names:
        if name not in GOALS:
            parser.error(f"no such network: {name}")
    print(f"{'network':20} {'a step a node':>14} {'fused':>12} {'goal':>12} {'further':>12} {'goal':>12}  bounds, time")
    missed = [line for name in names for line in _network(name)]
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


def _network(name: str) -> list[str]:
    """Plan one network, print its row, and say which goals it misses."""
    graph = _open(name)
    goal, further = GOALS[name]
    plain = graph.plan(alignment=ALIGNMENT)
    begin = time.process_time()
    _, fused = plan_rewritten(graph, fuse="steps", alignment=ALIGNMENT)
    seconds = time.process_time() - begin
    chained = min(fused, plan_rewritten(graph, fuse="aggressive", alignment=ALIGNMENT)[1], key=_arena)
    shown = f"{further:12,}" if further is not None else " " * 12
    print(
        f"{name:20} {plain.arena_bytes:14,} {fused.arena_bytes:12,} {goal:12,} {chained.arena_bytes:12,} {shown}"
        f"  {_bounds(fused)}, {seconds:.2f}",
        flush=True,
    )
    missed = []
    if fused.arena_bytes > goal:
        missed.append(
            f"{name} needs {fused.arena_bytes:,} with fused steps, {fused.arena_bytes / goal:.3f} of the goal"
        )
    if further is not None and chained.arena_bytes > further:
        missed.append(f"{name} needs {chained.arena_bytes:,} at the further level, {chained.arena_bytes / further:.3f}")
    if any(bound.status != "optimal" for bound in fused.bounds.values()):
        missed.append(f"{name} is not proved best: {_bounds(fused)}")
    if name.startswith("light") and seconds > LIMIT:
        missed.append(f"{name} takes {seconds:.2f} s")
    return missed


def _arena(plan: MemoryPlan) -> int:
    return plan.arena_bytes


def _open(name: str) -> Graph:
    """A light network as it is shipped; one of the zoo's simplified, since equal nodes stand there twice."""
    if name.startswith("light"):
        return cnnir.load(LIGHT / f"{name}.onnx")
    return zoo.build(name).apply(Simplify()).graph


def _bounds(plan: MemoryPlan) -> str:
    return " and ".join(f"{name} {bound.status}" for name, bound in plan.bounds.items())


if __name__ == "__main__":
    sys.exit(main())
