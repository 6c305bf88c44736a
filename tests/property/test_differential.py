"""A sample of random models, judged node by node and as a whole; `benchmarks.fuzz` runs them by the thousand."""

import pytest

from cnnir.ops import DEFINED
from tests.property.catalogue import ENTRIES, FROM_CASES
from tests.property.departures import DEPARTURES
from tests.property.growing import grown
from tests.property.judging import Tally
from tests.property.whole import check_whole

CHUNKS = 4
MODELS_A_CHUNK = 35


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_models(chunk: int) -> None:
    """Here as in ONNX Runtime or in the reference, planned as free, simplified and written as read."""
    tally = Tally()
    for seed in range(chunk * MODELS_A_CHUNK, (chunk + 1) * MODELS_A_CHUNK):
        sketch = grown(seed, tally)
        assert not tally.surprises, f"seed {seed}: {tally.surprises}"
        check_whole(sketch)
    assert tally.ops.total() > 4 * MODELS_A_CHUNK
    assert tally.unjudged.total() < tally.ops.total() // 10


def test_every_op_is_drawn() -> None:
    """An op that is added needs an entry; the catalogue says how little that is."""
    missing = {op_class.__name__ for op_class in DEFINED} - ENTRIES.keys()
    assert not missing, "give them an entry, or a place in FROM_CASES: tests/property/catalogue.py"
    assert set(FROM_CASES) <= {op_class.__name__ for op_class in DEFINED}


def test_departures_name_ops_that_are_drawn() -> None:
    """No entry of the table has outlived what it speaks of."""
    for departure in DEPARTURES:
        assert set(departure.ops) <= ENTRIES.keys(), departure.reason
