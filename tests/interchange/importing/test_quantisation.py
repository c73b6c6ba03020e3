"""Whole numbers of few bits with scales, as ONNX has them: onnxruntime's numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.interchange.importing.nodes import Array, compared, model, normal

pytest.importorskip("onnxruntime")
RNG = np.random.default_rng(0)


def number(value: float, dtype: type = np.float32) -> Array:
    return np.array(value, dtype)


def whole(*shape: int, dtype: type = np.uint8) -> Array:
    bounds = np.iinfo(dtype)
    return RNG.integers(bounds.min, bounds.max + 1, shape).astype(dtype)


def test_there_and_back(tmp_path: Path) -> None:
    x = normal(3, 5) * 100
    kept = {"scale": number(0.5), "zero": number(128, np.uint8)}
    text = compared(model("QuantizeLinear", {"x": x}, kept), {"x": x}, tmp_path)
    assert "cast(round(x / 0.5) + 128, u8)" in text
    q = whole(3, 5, dtype=np.int8)
    text = compared(model("DequantizeLinear", {"q": q}, {"scale": number(0.25)}), {"q": q}, tmp_path)
    assert "cast(q, f32) * 0.25" in text


def test_a_scale_for_each_channel_and_each_block(tmp_path: Path) -> None:
    x = normal(2, 3, 4) * 50
    kept = {"scale": np.array([0.5, 1, 2], np.float32), "zero": np.array([-3, 0, 7], np.int8)}
    compared(model("QuantizeLinear", {"x": x}, kept, axis=1), {"x": x}, tmp_path)
    q, scales = whole(2, 3, 4), np.abs(normal(2, 3, 2)) + 0.1
    kept = {"scale": scales, "zero": whole(2, 3, 2)}
    wanted = (q.astype(np.float32) - kept["zero"].repeat(2, 2)) * scales.repeat(2, 2)
    compared(model("DequantizeLinear", {"q": q}, kept, axis=2, block_size=2), {"q": q}, tmp_path, [wanted])


def test_products(tmp_path: Path) -> None:
    a, b = whole(2, 4, 3), whole(3, 5)
    kept = {
        "sa": number(0.02),
        "za": number(113, np.uint8),
        "b": b,
        "sb": number(0.01),
        "zb": number(7, np.uint8),
        "sy": number(0.3),
        "zy": number(100, np.uint8),
    }
    compared(model("QLinearMatMul", {"a": a}, kept), {"a": a}, tmp_path)


def test_convolutions(tmp_path: Path) -> None:
    x, weight, bias = whole(2, 3, 6, 6), whole(4, 3, 3, 3, dtype=np.int8), RNG.integers(-900, 900, 4).astype(np.int32)
    kept = {
        "sx": number(0.02),
        "zx": number(120, np.uint8),
        "w": weight,
        "sw": np.array([0.01, 0.02, 0.005, 0.03], np.float32),
        "zw": np.zeros(4, np.int8),
        "sy": number(0.2),
        "zy": number(128, np.uint8),
        "bias": bias,
    }
    compared(model("QLinearConv", {"x": x}, kept, pads=[1, 1, 1, 1], strides=[2, 2]), {"x": x}, tmp_path)
