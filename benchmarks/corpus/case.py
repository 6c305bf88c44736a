"""One model of the folder: what is known of it, and what is made of it."""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx

from benchmarks.corpus.runtime import Judge, runtime_outputs
from benchmarks.corpus.weighting import scale_standardized, write_double
from cnnir import Graph, load
from cnnir.dims import is_known
from cnnir.passes import graph_symbols
from cnnir.types import TensorType
from cnnir.weights import AnyArray

SIMPLIFY = "freeze-inputs,simplify"
"""Defaults that are listed as inputs become constants, as ``cnnir simplify`` takes them."""


_DOUBLE = {np.dtype(np.float32): np.dtype(np.float64)}


class Case:
    """A model with its truth.

    What several stages need is made once: the file with weights, the graphs at the true size, the outputs.

    Attributes:
        name: Of the model.
        truth: Its entry in ``truth.json``.
        scratch: A folder for what is written.
    """

    def __init__(self, folder: Path, truth: Mapping[str, Any], scratch: Path) -> None:
        self.name: str = truth["key"]
        self.truth = truth
        self.path = folder / "models" / f"{self.name}.onnx"
        self.scratch = scratch
        self._folder = folder
        found = json.loads((folder / "shapes" / f"{self.name}.json").read_text())
        self.inputs: Mapping[str, Sequence[int]] = found["input"]
        self.shapes: Mapping[str, Sequence[int]] = found["shapes"]

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Numbers for the open dims of the inputs, at which the truth was found."""
        graph = load(self.path)
        found: dict[str, int] = {}
        for value in graph.inputs:
            if isinstance(value.type, TensorType) and value.name in self.inputs:
                pairs = zip(value.type.shape, self.inputs[value.name], strict=True)
                found.update((str(dim), size) for dim, size in pairs if not is_known(dim))
        return {name: found[name] for name in graph_symbols(graph) if name in found}

    @cached_property
    def weighted(self) -> Path:
        """The model with seeded weights, in a file of its own."""
        path = self.scratch / "weighted.onnx"
        model = self._weights.with_weights(onnx.load(self.path))
        scale_standardized(model)
        onnx.save(model, path)
        return path

    def feed(self, sizes: Mapping[str, int]) -> dict[str, AnyArray]:
        """Seeded inputs."""
        found: dict[str, AnyArray] = self._weights.feeds(onnx.load(self.path), bind=dict(sizes))
        return found

    @cached_property
    def graph(self) -> Graph:
        """With weights, at the true size."""
        return load(self.weighted, bind=self.sizes)

    @cached_property
    def simplified(self) -> Graph:
        """The same in fewer nodes."""
        return self.graph.apply(SIMPLIFY).graph

    @cached_property
    def free(self) -> dict[str, AnyArray]:
        """What the simplified graph makes of the inputs, run without a plan."""
        return self.simplified.run(self.feed(self.sizes))

    @cached_property
    def judge(self) -> Judge:
        """What ONNX Runtime makes of the weighted file and the inputs at the true size.

        Raises:
            RuntimeUnfitError: where it cannot.
        """
        outputs = runtime_outputs(self.weighted, self.feed(self.sizes))
        return Judge(outputs, lambda: self.exact(self.sizes))

    def exact(self, sizes: Mapping[str, int]) -> dict[str, AnyArray]:
        """The outputs in double precision, by our interpreter."""
        path = self.scratch / "double.onnx"
        write_double(self.weighted, path)
        feed = {name: array.astype(_DOUBLE.get(array.dtype, array.dtype)) for name, array in self.feed(sizes).items()}
        return load(path, bind=sizes).run(feed)

    @cached_property
    def _weights(self) -> ModuleType:
        """The folder's own way to weights and inputs."""
        spec = importlib.util.spec_from_file_location("corpus_weights", self._folder / "weights.py")
        if spec is None or spec.loader is None:
            raise FileNotFoundError(self._folder / "weights.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
