"""A model above 2 GB, more than protocol buffers hold, from end to end.

    python -m benchmarks.large [--gigabytes 2.2] [--folder FOLDER] [--keep]

Makes a network of fully connected layers whose weights lie in two files beside it, then, each in a process of its own:
loads and plans it; simplifies it and saves it with external data; lets ONNX Runtime run the original and what was
saved, on the same input. Printed are seconds and the memory of the process's own, mapped files not counted: its peak is
sampled every few milliseconds. Exits with 1 when loading or saving takes more than 64 MiB beyond what the imports take,
a quarter of one weight, or when the outputs differ; with 2 when the disk is too small.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from onnx import ModelProto, TensorProto, helper

import cnnir

WIDTH = 8192
"""Of each layer: a weight takes WIDTH * WIDTH * 4 bytes, 256 MiB."""

WEIGHT_BYTES = WIDTH * WIDTH * 4
LIMIT = WEIGHT_BYTES // 4
"""Bytes that a step of ours may take for itself."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print what each step takes; 1 when one misses its limit."""
    parser = argparse.ArgumentParser(description="A model above 2 GB from end to end.")
    parser.add_argument("--gigabytes", type=float, default=2.2, help="of weights (default: 2.2)")
    parser.add_argument("--folder", type=Path, help="where to put the files (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="leave the files there")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.step is not None:
        print(json.dumps(STEPS[options.step](options.folder)))
        return 0
    layers = -(-int(options.gigabytes * 1e9) // WEIGHT_BYTES)
    if options.folder is not None and not options.folder.is_dir():
        parser.error(f"--folder: there is no folder {options.folder}")
    folder = Path(tempfile.mkdtemp(dir=options.folder, prefix="cnnir-large-"))
    try:
        if shutil.disk_usage(folder).free < 2.2 * layers * WEIGHT_BYTES:
            print(f"{folder} has no room for two models of {layers * WEIGHT_BYTES / 1e9:.2f} GB")
            return 2
        make(folder, layers)
        return report(folder)
    finally:
        if not options.keep:
            shutil.rmtree(folder)


def make(folder: Path, layers: int) -> None:
    """Write the model; the first layer's weight and every third one lie in a file of their own."""
    names = [f"x{index}" for index in range(layers + 1)]
    inputs = [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [1, WIDTH])]
    outputs = [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, [1, WIDTH])]
    nodes, weights = [], []
    generator = np.random.default_rng(0)
    for index in range(layers):
        nodes.append(helper.make_node("MatMul", [names[index], f"w{index}"], [f"m{index}"], name=f"fc{index}"))
        nodes.append(helper.make_node("Identity", [f"m{index}"], [f"i{index}"], name=f"nothing{index}"))
        nodes.append(helper.make_node("Relu", [f"i{index}"], [names[index + 1]], name=f"relu{index}"))
        tensor = TensorProto(name=f"w{index}", data_type=TensorProto.FLOAT, dims=[WIDTH, WIDTH])
        tensor.data_location = TensorProto.EXTERNAL
        location = folder / ("one.bin" if index % 3 == 0 else "two.bin")
        with location.open("ab") as file:
            offset = file.tell()
            weight = generator.standard_normal((WIDTH, WIDTH), np.float32)
            weight *= np.float32((2 / WIDTH) ** 0.5)
            file.write(weight.data)
        for key, value in (("location", location.name), ("offset", offset), ("length", WEIGHT_BYTES)):
            tensor.external_data.add(key=key, value=str(value))
        weights.append(tensor)
    graph = helper.make_graph(nodes, "large", inputs, outputs, weights)
    model: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "large.onnx").write_bytes(model.SerializeToString())


def report(folder: Path) -> int:
    """Take the steps and print them."""
    files = [*folder.glob("*.bin"), folder / "large.onnx"]
    size = sum(file.stat().st_size for file in files)
    print(f"{len(files)} files, {size:,} B")
    missed: list[str] = []
    found: dict[str, Any] = {}
    for step in STEPS:
        command = [sys.executable, "-m", "benchmarks.large", "--step", step, "--folder", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"MISSED {step}: {done.stderr.strip().splitlines()[-1]}")
            return 1
        found[step] = result = json.loads(done.stdout)
        print(
            f"{step:9} {result['seconds']:7.2f} s  peak {result['peak'] / 2**20:8.1f} MiB  {result['what']}", flush=True
        )
    for step in ("load", "save"):
        missed += [f"{step} takes {found[step]['peak']:,} B, the limit is {LIMIT:,}"] * (found[step]["peak"] > LIMIT)
    outputs = [np.load(folder / f"{step}.npy") for step in ("original", "saved")]
    difference = float(np.abs(outputs[0] - outputs[1]).max() / np.abs(outputs[0]).max())
    print(f"outputs differ by {difference:.1e} of the largest")
    missed += ["the outputs differ"] * (not difference < 1e-6)
    for line in missed:
        print(f"MISSED {line}")
    return 1 if missed else 0


class Watch:
    """The seconds, and the most memory of its own that the process takes meanwhile, beyond what it had before."""

    def __enter__(self) -> Self:
        self.begin, self.before, self.most, self.over = time.perf_counter(), own_bytes(), 0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while not self.over.wait(0.002):
            self.most = max(self.most, own_bytes())

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        self.seconds = time.perf_counter() - self.begin

    def result(self, what: str) -> dict[str, Any]:
        """What was measured."""
        return {"seconds": self.seconds, "peak": max(0, self.most - self.before), "what": what}


def own_bytes() -> int:
    """Anonymous memory of this process (Linux, proc(5), ``RssAnon``)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def load(folder: Path) -> dict[str, Any]:
    """Load and plan."""
    cnnir.zoo.build("lenet5").apply("simplify").graph.plan()  # what is imported late is not counted
    with Watch() as watch:
        graph = cnnir.load(folder / "large.onnx")
        plan = graph.plan()
    return watch.result(f"{len(graph)} nodes, arena {plan.arena_bytes:,} B, {plan.status}")


def save(folder: Path) -> dict[str, Any]:
    """Load, simplify, and save; nobody asks for external data."""
    cnnir.zoo.build("lenet5").apply("simplify").graph.plan()
    with Watch() as watch:
        graph = cnnir.load(folder / "large.onnx").apply("simplify").graph
        cnnir.save(graph, folder / "saved.onnx")
    return watch.result(f"{len(graph)} nodes, data of {(folder / 'saved.onnx.data').stat().st_size:,} B")


def _runtime(folder: Path, name: str, step: str) -> dict[str, Any]:
    import onnxruntime  # noqa: PLC0415  the steps before are measured without it

    with Watch() as watch:
        session = onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
        x = np.random.default_rng(1).standard_normal((1, WIDTH), np.float32)
        np.save(folder / f"{step}.npy", np.asarray(session.run(None, {"x0": x})[0]))
    return watch.result("ONNX Runtime")


def original(folder: Path) -> dict[str, Any]:
    """The model as it was made."""
    return _runtime(folder, "large.onnx", "original")


def saved(folder: Path) -> dict[str, Any]:
    """The model as it was saved."""
    return _runtime(folder, "saved.onnx", "saved")


STEPS = {"load": load, "save": save, "original": original, "saved": saved}

if __name__ == "__main__":
    sys.exit(main())
