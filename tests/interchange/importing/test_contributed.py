"""Operators of onnxruntime's own, held to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.interchange.importing.oracle import Array, check, one_node

_DOMAIN = "com.microsoft"


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


CASES: dict[str, tuple[str, dict[str, Array], dict[str, Array], dict[str, Any]]] = {
    "gelu": ("Gelu", {"x": normal(2, 3)}, {}, {}),
    "gelu_with_bias": ("BiasGelu", {"x": normal(2, 3)}, {"b": normal(3)}, {}),
    "gelu_by_tanh": ("FastGelu", {"x": normal(2, 3)}, {"b": normal(3)}, {}),
    "gelu_by_sigmoid": ("QuickGelu", {"x": normal(2, 3)}, {}, {"alpha": 1.5}),
    "matmul": (
        "FusedMatMul",
        {"a": normal(2, 4, 3), "b": normal(2, 5, 4)},
        {},
        {"alpha": 0.5, "transA": 1, "transB": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_against_onnxruntime(case: str, tmp_path: Path) -> None:
    op, given, kept, attributes = CASES[case]
    check(one_node(op, given, kept, [*given, *kept], ["y"], 1, _DOMAIN, **attributes), given, tmp_path)


@pytest.mark.parametrize("op", ["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"])
def test_norms_of_sums(op: str, tmp_path: Path) -> None:
    given = {"x": normal(2, 3, 8), "skip": normal(2, 3, 8) * 2}
    kept = {"gamma": normal(8)} | ({"beta": normal(8) + 1} if op == "SkipLayerNormalization" else {})
    kept["bias"] = normal(8) * 3
    proto = one_node(op, given, kept, [*given, *kept], ["y", "", "", "sum"], 1, _DOMAIN, epsilon=1e-3)
    assert "norm(eps = 0.001)" in check(proto, given, tmp_path)
