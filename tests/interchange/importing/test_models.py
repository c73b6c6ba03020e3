"""Networks that others trained: what onnxruntime answered, we answer. Expected values: onnxruntime on a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netlang
from netlang.interchange.importing import import_onnx
from netlang.runtime.model import Model

pytest.importorskip("onnx")
TOLERANCE = {"rtol": 1e-3, "atol": 1e-4}


def imported(file: Path, folder: Path) -> Model:
    """The network of a file, compiled."""
    import_onnx(file).write(folder / "net.net")
    return netlang.compile(folder / "net.net").load_weights(folder / "net.safetensors")


def test_squeezenet(models: Path, tmp_path: Path) -> None:
    model = imported(models / "squeezenet_v1.0_dc.onnx", tmp_path)
    expected = np.load(models / "squeezenet_40_crops_bgr_prob.npz")
    mean = np.array([104, 117, 123], np.float32)
    crops = (expected["bgr_u8"][:2].astype(np.float32) - mean).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(model(np.ascontiguousarray(crops)), expected["prob"][:2], **TOLERANCE)
