"""A folder of real exports against the truth that comes with it, and against ONNX Runtime.

    python -m benchmarks.corpus FOLDER [--match TEXT] [--stage NAME ...]

FOLDER holds ``models/*.onnx`` without their weights, ``shapes/*.json`` (the true shape of every tensor), ``truth.json``
(true MACs) and ``weights.py`` (makes seeded weights and inputs). Each model gets a row, made in a process of its own,
so that neither a crash nor its memory is another one's. The stages:

- ``shapes``: it loads, open and bound; each tensor's shape, as loaded and simplified; MACs;
- ``open``: with open sizes every dim is known or symbolic, a plan names what is to be bound, and at two bindings each
  tensor has the shape that ONNX Runtime makes, and the outputs are equal;
- ``values``: with seeded weights, the interpreter against ONNX Runtime, before and after ``simplify``;
- ``export``: the simplified network as a file that onnx's full check takes and ONNX Runtime runs;
- ``plan``: its memory plan is proved, and the planned run gives the bits of the free one.

Exits with 1 on any fault, with 2 when there is nothing to measure. What ONNX Runtime cannot do itself is named too.
"""

from benchmarks.corpus.command import main

__all__ = ["main"]
