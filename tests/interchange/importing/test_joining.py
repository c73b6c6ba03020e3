"""What exporters take apart is one layer again, and only that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.interchange.importing.nodes import compared, normal

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

HEAD = """
<ir_version: 10, opset_import: ["": 17]>
one (float[2, 3, 4] x) => (float[2, 3, 4] y)
<float half = {0.5}, float one = {1.0}, float root = {1.4142135}, float cube = {3.0}, float scale = {0.7978846},
 float small = {0.044715}, float[4] b = {1, 2, 3, 4}, float[4, 4] w = {1,0,2,0,1,1,0,0,0,3,1,0,0,0,0,1}> {
"""

CASES: dict[str, tuple[str, str]] = {
    "silu": ("s = Sigmoid (x) y = Mul (s, x)", "x -> silu"),
    "hard swish": ("s = HardSigmoid <alpha = 0.16666667> (x) y = Mul (x, s)", "x -> hard_swish"),
    "mish": ("p = Softplus (x) t = Tanh (p) y = Mul (x, t)", "x -> mish"),
    "gelu": ("d = Div (x, root) e = Erf (d) a = Add (e, one) m = Mul (x, a) y = Mul (m, half)", "x -> gelu"),
    "gelu, half first": ("h = Mul (x, half) d = Div (x, root) e = Erf (d) a = Add (one, e) y = Mul (h, a)", "-> gelu"),
    "gelu, approximately": (
        "p = Pow (x, cube) b1 = Mul (small, p) t = Add (x, b1) i = Mul (t, scale) k = Tanh (i) a = Add (k, one) "
        "h = Mul (half, x) y = Mul (h, a)",
        "x -> gelu(approximate = true)",
    ),
    "dense": ("m = MatMul (x, w) y = Add (b, m)", "x -> dense(4, axis = -1)"),
    "dense of a transpose": (
        "v = Transpose <perm = [1, 0]> (w) m = MatMul (x, v) y = Add (m, b)", "x -> dense(4, axis = -1)"
    ),
    "a transpose alone": ("v = Transpose <perm = [1, 0]> (w) y = MatMul (x, v)", "param v_2: f32[4, 4]"),
    "weights under other names": ("c = Identity (b) m = MatMul (x, w) y = Add (m, c)", "x -> dense(4, axis = -1)"),
    "a gate that is read twice": ("s = Sigmoid (x) m = Mul (s, x) y = Add (m, s)", "sigmoid"),
    "another's gate": ("z = Neg (x) s = Sigmoid (z) y = Mul (s, x)", "sigmoid"),
    "another divisor": ("d = Div (x, one) e = Erf (d) a = Add (e, one) m = Mul (x, a) y = Mul (m, half)", "erf"),
    "a product that is read twice": ("m = MatMul (x, w) a = Add (m, b) y = Add (a, m)", "@"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_numbers_and_lines(case: str, tmp_path: Path) -> None:
    body, line = CASES[case]
    proto: Any = onnx.parser.parse_model(HEAD + body.replace(") ", ")\n") + "}")
    text = compared(proto, {"x": normal(2, 3, 4)}, tmp_path)
    assert line in text
    if "twice" in case or "another" in case:
        assert not any(layer in text for layer in ("silu", "gelu", "dense"))


def test_one_number_less_is_no_vector(tmp_path: Path) -> None:
    """A bias that broadcasts in another way is added as it is."""
    proto = onnx.parser.parse_model(
        HEAD.replace("float[4] b = {1, 2, 3, 4}", "float[1] b = {1}")
        + """
        m = MatMul (x, w)
        y = Add (m, b)
    }"""
    )
    x = normal(2, 3, 4)
    assert "dense" not in compared(proto, {"x": x}, tmp_path)
    assert np.isfinite(x).all()
