"""Fourier transforms of ONNX against NumPy's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.interchange.importing.nodes import Array, compared, model, normal

pytest.importorskip("onnx")
X = normal(2, 7, 3, 2)
COMPLEX = X[..., 0] + 1j * X[..., 1]


def parts(x: Any) -> Array:
    return np.stack([x.real, x.imag], -1)


CASES: dict[str, tuple[Array, dict[str, int], int, Array]] = {
    "complex": (X, {}, 0, parts(np.fft.fft(COMPLEX, axis=1))),
    "real, half of it": (X[..., :1], {"onesided": 1}, 0, parts(np.fft.rfft(X[..., 0], axis=1))),
    "longer": (X, {}, 9, parts(np.fft.fft(COMPLEX, 9, axis=1))),
    "shorter, backwards": (X, {"inverse": 1}, 4, parts(np.fft.ifft(COMPLEX, 4, axis=1))),
    "half of it back": (X, {"inverse": 1, "onesided": 1}, 0, np.fft.irfft(COMPLEX, axis=1)[..., None]),
    "of an odd length": (X, {"inverse": 1, "onesided": 1}, 9, np.fft.irfft(COMPLEX, 9, axis=1)[..., None]),
}


@pytest.mark.parametrize("case", CASES)
def test_transforms(case: str, tmp_path: Path) -> None:
    x, attributes, length, wanted = CASES[case]
    kept = {"length": np.array(length) if length else np.zeros(0, np.int64), "axis": np.array(1)}
    compared(model("DFT", {"x": x}, kept, **attributes), {"x": x}, tmp_path, [wanted])


def test_pieces_of_a_signal(tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    x = normal(2, 20, 1)
    proto = model("STFT", {"x": x}, {"step": np.array(5), "window": np.hanning(8).astype(np.float32)}, opset=17)
    compared(proto, {"x": x}, tmp_path, ReferenceEvaluator(proto).run(None, {"x": x}))


def test_sequences_backwards(tmp_path: Path) -> None:
    x, lengths = normal(4, 3, 2), np.array([4, 1, 3])
    text = compared(model("ReverseSequence", {"x": x, "n": lengths}, {}), {"x": x, "n": lengths}, tmp_path)
    assert "reverse_parts(x, n, batch_axis = 1, time_axis = 0)" in text


def test_a_memory_that_goes_round(tmp_path: Path) -> None:
    past, update, first = normal(2, 4, 3), normal(2, 2, 3), np.array([3, 0])
    wanted = past.copy()
    wanted[0, [3, 0]], wanted[1, :2] = update[0], update[1]
    given = {"past": past, "update": update, "first": first}
    proto = model("TensorScatter", given, {}, opset=24, mode="circular")
    compared(proto, given, tmp_path, [wanted])
