"""A random model, grown node by node, each judged as it comes."""

import numpy as np
import onnx

from tests.interpreter.drawing import Draw
from tests.property import layer_draws, pointwise_draws, shape_draws
from tests.property.catalogue import ENTRIES
from tests.property.judging import Tally, judged
from tests.property.sketch import LARGEST, Sketch

__all__ = ["NEWEST", "OLDEST", "grown", "layer_draws", "pointwise_draws", "shape_draws"]

OLDEST = 7
NEWEST = onnx.defs.onnx_opset_version()


def grown(seed: int, tally: Tally) -> Sketch:
    """The model of a seed: three to ten nodes, of one opset."""
    draw = Draw(seed)
    opset = draw.number(OLDEST, NEWEST)
    tally.opsets[opset] += 1
    sketch = Sketch(seed + 1_000_000, opset)
    entries = [entry for entry in ENTRIES.values() if entry.since <= opset]
    weights = np.cumsum([entry.weight for entry in entries])
    wanted = draw.number(3, 10)
    for _ in range(3 * wanted):
        if len(sketch.steps) >= wanted:
            break
        entry = entries[int(np.searchsorted(weights, draw.number(0, int(weights[-1]) - 1), side="right"))]
        step = entry.draw(sketch, entry.op_type)
        if step is None:
            continue
        results = judged(step, tally)
        if results is not None and all(array.size <= LARGEST for array in results):
            sketch.add(step, results)
    return sketch
