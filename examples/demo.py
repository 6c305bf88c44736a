"""Plan, prove and run the nine real networks that ship inside the onnx package.

    python examples/demo.py [FOLDER]

For each: the arena that its activations need beside what they would take without reuse, the proof of the plan, and a
run inside that very arena, compared with the output that ships with the network. Maps of the arenas go to FOLDER
(``build/demo``) as SVG.
"""

import sys
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from rich.console import Console
from rich.table import Table

import cnnir
from cnnir.files import write_file
from cnnir.reports import plan_svg
from cnnir.types import TensorType, known_shape
from cnnir.units import format_size

NETWORKS = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

LEGEND = """
no reuse     every storage at its own address, shared in place and by views
arena        graph inputs count until their last reader, outputs to the end;
             weights and the kernels' own workspace are not counted
above bound  0 B: proved least for this order of the steps
plan s       reading the file, planning and proving the plan, in seconds
run s        step by step inside the planned arena, in NumPy
off by       largest difference to the shipped output, relative to its largest

maps of the arenas: {folder}/*.svg"""


def main(folder: Path) -> int:
    """Show the nine networks; 1 when one of them does not come out as its reference says."""
    folder.mkdir(parents=True, exist_ok=True)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("network", no_wrap=True)
    for heading in ("nodes", "no reuse", "arena", "above bound", "plan s", "run s", "off by"):
        table.add_column(heading, justify="right", no_wrap=True)
    worst = 0.0
    for path in sorted(NETWORKS.glob("light_*.onnx")):
        begin = time.perf_counter()
        graph = cnnir.load(path)
        plan = graph.plan()
        planned = time.perf_counter()
        difference = off_by(graph, plan, path)
        finished = time.perf_counter()
        worst = max(worst, difference)
        unshared = sum(storage.bytes for storage in plan.storages)
        name = path.stem.removeprefix("light_")
        write_file(folder / f"{name}.svg", plan_svg(plan))
        table.add_row(
            name,
            str(len(graph)),
            format_size(unshared),
            format_size(plan.arena_bytes),
            format_size(plan.arena_bytes - plan.lower_bound),
            f"{planned - begin:.2f}",
            f"{finished - planned:.2f}",
            f"{difference:.0e}",
        )
    console = Console()
    console.print("nine real networks, batch 1, float32: all activations in one arena\n")
    console.print(table)
    console.print(LEGEND.format(folder=folder), highlight=False)
    return 0 if worst <= 1e-4 else 1


def off_by(graph: cnnir.Graph, plan: cnnir.MemoryPlan, path: Path) -> float:
    """Run in the planned arena on the input that belongs to the shipped output; the largest relative difference."""
    (value,) = graph.inputs
    assert isinstance(value.type, TensorType)
    shape = known_shape(value.type.shape)
    count = int(np.prod(shape))
    image = (np.arange(count).reshape(shape) / count).astype(np.float32)
    (output,) = graph.run({value.name: image}, plan=plan).values()
    shipped = onnx.TensorProto.FromString((NETWORKS / f"{path.stem}_output_0.pb").read_bytes())
    expected = numpy_helper.to_array(shipped).reshape(output.shape)
    return float(np.abs(output - expected).max() / np.abs(expected).max())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo")))
