"""Where ONNX Runtime departs from the specification: docs/ops.md says so, and it is still so."""

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from cnnir.ops import LRN, LSTM, AveragePool, Clip, Conv, ConvTranspose, MaxPool, Op, Resize, Slice
from tests.interpreter.judges import AnyArray, by_onnxruntime, run
from tests.interpreter.single_nodes import Case


def line(*numbers: float) -> AnyArray:
    """One image of one channel and one spatial axis."""
    return np.array(numbers, np.float32).reshape(1, 1, -1)


SEVEN = line(1, 2, 3, 4, 5, 6, 7)
FIVES = np.array([[[5]]], np.float32)
EIGHTS = np.full((1, 4, 1), 8, np.float32)

DEPARTURES: dict[str, tuple[Op, list[AnyArray], list[float], list[float]]] = {
    "ConvTranspose": (
        ConvTranspose((4,), (0, 0), (1,), (0,), auto_pad="SAME_UPPER"),
        [line(1, 2), FIVES],
        [5, 0, 0, 0, 10, 0, 0, 0],
        [5, 0, 0, 0, 10],
    ),
    "MaxPool": (
        MaxPool((3,), (1,), (0, 0), (2,), "SAME_UPPER"),
        [SEVEN],
        [3, 4, 5, 6, 7, 6, 7],
        [4, 5, 6, 7, 6],
    ),
    "AveragePool": (
        AveragePool((3,), (1,), (0, 0), (2,), "SAME_UPPER"),
        [SEVEN],
        [2, 3, 3, 4, 5, 5, 6],
        [3, 3, 4, 5, 5],
    ),
    "Conv": (
        Conv((4,), (0, 0), (1,), auto_pad="SAME_UPPER"),
        [line(1, 2, 3, 4), FIVES],
        [5],
        [10],
    ),
    "MaxPool, padding alone": (
        MaxPool((2,), (1,), (1, 1), (2,)),
        [FIVES],
        [-np.inf],
        [float(np.finfo(np.float32).min)],
    ),
    "AveragePool, padding alone": (AveragePool((2,), (1,), (1, 1), (2,)), [FIVES], [np.nan], [0]),
    "Slice": (Slice((3,), (2**31 - 1,), (0,), (-1,)), [np.arange(5, dtype=np.float32)], [], [3, 2, 1, 0]),
    "Slice, 64 bits": (Slice((3,), (2**63 - 1,), (0,), (-1,)), [np.arange(5, dtype=np.float32)], [], [3, 2, 1, 0]),
    "Resize": (
        Resize((1.0, 1.0, 1.25), None, "linear", "asymmetric"),
        [line(1, 2, 3)],
        [1, 1.8, 2.6],
        [1, 2, 3],
    ),
    "Resize, cropped": (
        Resize(None, (None, None, 3), "linear", "tf_crop_and_resize", roi=(0, 0, 0.5, 1, 1, 1)),
        [line(1, 2, 3)],
        [2, 2.5, 3],
        [1, 2, 3],
    ),
    "LSTM": (
        LSTM(1, activations=("Affine",) * 3, alphas=(1, 1, 1), betas=(0, 0, 0), clip=0.5, gives=("Y",)),
        [line(1), EIGHTS, 0 * EIGHTS, np.zeros((1, 8), np.float32), np.ones(1, np.int32), line(0), line(4)],
        [0.25],  # 0.5 * 0.5, where the cell is 0.5 * 4 + 0.5 * 0.5
        [1.125],
    ),
    "Clip": (Clip(float("inf")), [line(1)], [np.inf], [float(np.finfo(np.float32).max)]),
}
"""For each departure what the specification says, and what ONNX Runtime gives."""


@pytest.mark.parametrize("name", DEPARTURES)
def test_departures(name: str) -> None:
    """Ours is the specification's."""
    op, operands, specified, departed = DEPARTURES[name]
    case = Case(op, tuple(operands))
    np.testing.assert_allclose(run(case)[0].reshape(-1), specified, rtol=1e-6)
    np.testing.assert_allclose(by_onnxruntime(case)[0].reshape(-1), departed, rtol=1e-6)


def test_even_windows_of_channels() -> None:
    """ONNX Runtime refuses them; the numbers are tested against an oracle."""
    case = Case(LRN(2), (np.ones((1, 4, 1, 1), np.float32),))
    assert run(case)[0].shape == (1, 4, 1, 1)
    with pytest.raises(Fail):
        by_onnxruntime(case)
