"""Spoilt models: whatever stands in a file, there comes a graph that works or one clear line."""

from collections import Counter
from pathlib import Path

import pytest

from tests.property.spoiling import check_file, spoilt

CHUNKS = 4
FILES_A_CHUNK = 200


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_spoilt_files(chunk: int, tmp_path: Path) -> None:
    """A sample of what `benchmarks.fuzz` runs by the thousand, there within limits of time and memory."""
    found = Counter[str]()
    for seed in range(chunk * FILES_A_CHUNK, (chunk + 1) * FILES_A_CHUNK):
        try:
            found[check_file(spoilt(seed), tmp_path / "spoilt.onnx")] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    assert found["refused"] > FILES_A_CHUNK // 10
    assert found["run"] > FILES_A_CHUNK // 20
