"""Resizing in every mode and by all coordinates, against the reference implementation of ONNX and PyTorch."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import netlang
from netlang.diagnostics import NetError
from netlang.frontend.interpolation import COORDINATES, ROUNDINGS
from tests.frontend.test_std import normal, results

onnx = pytest.importorskip("onnx")
SHAPE = (1, 2, 5, 9)
AXES = {"scale = [1.5, 0.625]": {"scales": [1, 1, 1.5, 0.625]}, "size = [3, 11]": {"sizes": [1, 2, 3, 11]}}

CLOSE: dict[str, float] = {"rtol": 1e-5, "atol": 1e-5}
"""The reference implementation weights cubic kernels in float32."""


def by_onnx(x: Any, given: dict[str, Any], roi: Any = None, **attributes: Any) -> Any:
    """What the operator Resize gives, carried out by the package `onnx` itself."""
    from onnx import TensorProto, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    kind = next(iter(given))
    names = ["x", "roi" if roi is not None else "", *(k if k == kind else "" for k in ("scales", "sizes"))]
    node = helper.make_node("Resize", names, ["y"], **attributes)
    kept = [numpy_helper.from_array(np.array(given[kind], np.float32 if kind == "scales" else np.int64), kind)]
    if roi is not None:
        kept.append(numpy_helper.from_array(np.array(roi, np.float64), "roi"))
    inputs = [helper.make_tensor_value_info("x", TensorProto.DOUBLE, x.shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)]
    graph = helper.make_graph([node], "g", inputs, outputs, kept)
    return ReferenceEvaluator(helper.make_model(graph)).run(None, {"x": x})[0]


def ours(x: Any, size: str, **named: Any) -> Any:
    words = ", ".join(f"{k} = {v!r}".replace("'", '"') for k, v in named.items())
    return results(f"output y = resize(x, {size}, {words})".replace("True", "true"), {"x": x})["y"]


@pytest.mark.parametrize("coordinates", [c for c in COORDINATES if c != "tf_crop_and_resize"])
@pytest.mark.parametrize("size", AXES)
def test_modes_and_coordinates(size: str, coordinates: str) -> None:
    x = normal(*SHAPE)
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
        *(({"mode": "nearest", "rounding": r}, {"mode": "nearest", "nearest_mode": r}) for r in ROUNDINGS),
        ({"mode": "linear"}, {"mode": "linear"}),
        ({"mode": "cubic", "cubic_a": -0.5}, {"mode": "cubic", "cubic_coeff_a": -0.5}),
        ({"mode": "linear", "exclude_outside": True}, {"mode": "linear", "exclude_outside": 1}),
        ({"mode": "cubic", "exclude_outside": True}, {"mode": "cubic", "exclude_outside": 1}),
        ({"mode": "linear", "antialias": True}, {"mode": "linear", "antialias": 1}),
        ({"mode": "cubic", "antialias": True}, {"mode": "cubic", "antialias": 1}),
    ]
    for named, attributes in cases:
        wanted = by_onnx(x, AXES[size], coordinate_transformation_mode=coordinates, **attributes)
        np.testing.assert_allclose(ours(x, size, coordinates=coordinates, **named), wanted, **CLOSE)


def test_crops() -> None:
    x, roi = normal(*SHAPE), [0.0, 0.0, 0.4, 0.6, 1.0, 1.0, 1.2, 0.1]
    for mode, size in product(("nearest", "linear", "cubic"), AXES):
        attributes = {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 10.0}
        named = {"coordinates": "tf_crop_and_resize", "roi": [0.4, 0.6, 1.2, 0.1], "extrapolation": 10}
        found = ours(x, size, mode=mode, **named)
        assert (found == 10).any() and (found != 10).any()
        np.testing.assert_allclose(found, by_onnx(x, AXES[size], roi, **attributes), **CLOSE)


def test_any_axes_and_proportions_that_are_kept() -> None:
    x = normal(2, 4, 6)
    np.testing.assert_allclose(
        ours(x, "size = [9, 3]", axes=[-1, 0], mode="linear"),
        ours(x, "size = [3, 4, 9]", axes=[0, 1, 2], mode="linear"),
    )
    for aspect, shape in (("not_larger", (2, 5, 8)), ("not_smaller", (2, 6, 9))):
        found = ours(x, "size = [6, 8]", axes=[1, 2], mode="linear", aspect=aspect)
        attributes = {"keep_aspect_ratio_policy": aspect, "axes": [1, 2], "mode": "linear"}
        assert found.shape == shape
        np.testing.assert_allclose(found, by_onnx(x, {"sizes": [6, 8]}, **attributes), atol=1e-6)


def test_gradients_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    x, g = normal(1, 2, 5, 8), normal(1, 2, 3, 11)
    for named, theirs in (
        ('mode = "linear", coordinates = "align_corners"', {"mode": "bilinear", "align_corners": True}),
        ('mode = "cubic"', {"mode": "bicubic"}),
        ('mode = "linear", antialias = true, exclude_outside = true', {"mode": "bilinear", "antialias": True}),
        ('coordinates = "asymmetric", rounding = "floor"', {"mode": "nearest"}),
    ):
        tensor = torch.tensor(x, requires_grad=True)
        wanted = torch.nn.functional.interpolate(tensor, size=(3, 11), **theirs)
        wanted.backward(torch.tensor(g))
        body = f"y = resize(x, size = [3, 11], {named})\noutput y\noutput d = grad(sum(y * g), x)"
        out = results(body, {"x": x, "g": g})
        np.testing.assert_allclose(out["y"], wanted.detach(), atol=1e-6)
        np.testing.assert_allclose(out["d"], tensor.grad, atol=1e-6)


def test_compiled_and_with_open_sizes() -> None:
    text = """\
net n() {
  input x: f32[N, 2, H, W]
  input z: f32[N, 2, 5, 9]
  near: f32[N, 2, 2 * H, 3 * W] = resize(x, scale = [2, 3])
  smooth: f32[N, 2, 2 * H, 2 * W] = resize(x, scale = 2, mode = "linear")
  cubic = resize(z, scale = 0.6, mode = "cubic", antialias = true)
  corners: f32[N, 2, 7, H] = resize(x, size = [7, H], mode = "linear", coordinates = "align_corners")
  output near
  output smooth
  output cubic
  output corners
}
"""
    x, z = normal(1, 2, 4, 3).astype(np.float32), normal(1, 2, 5, 9).astype(np.float32)
    found, wanted = (netlang.compile(text, target=t)(x, z) for t in ("cpu", "reference"))
    np.testing.assert_array_equal(wanted["near"], x.repeat(2, 2).repeat(3, 3))
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-6)


OPEN = [
    *(f'mode = "nearest", rounding = "{r}"' for r in ROUNDINGS),
    'mode = "linear"',
    'mode = "linear", exclude_outside = true',
    'mode = "cubic", cubic_a = -0.5',
    'mode = "cubic", exclude_outside = true',
]


@pytest.mark.parametrize("coordinates", [c for c in COORDINATES if c != "tf_crop_and_resize"])
def test_sizes_that_are_open_give_what_known_ones_do(coordinates: str) -> None:
    """To another map's size, to one element, and by a fraction."""
    lines = []
    for number, how in enumerate(OPEN):
        words = f'{how}, coordinates = "{coordinates}"'
        lines += [
            f"  output a{number} = resize(x, size = [z.shape[2], 1], {words})",
            f"  output b{number} = resize(x, scale = [1.5, 0.75], {words})",
        ]
    x, z = normal(1, 2, 5, 9).astype(np.float32), normal(1, 1, 7, 4).astype(np.float32)
    texts = [
        f"net n() {{\n  input x: f32[1, 2, {own}]\n  input z: f32[1, 1, {other}]\n" + "\n".join(lines) + "\n}\n"
        for own, other in (("5, 9", "7, 4"), ("H, W", "I, J"))
    ]
    known, open_ = (netlang.compile(text, target="reference")(x, z) for text in texts)
    for name, wanted in known.items():
        np.testing.assert_allclose(open_[name], wanted, rtol=1e-5, atol=1e-6, err_msg=name)


def test_what_is_next_to_it_of_whole_numbers() -> None:
    text = """\
net n() {
  input x: i32[N, 1, H, 3]
  output y = resize(x, size = [2 * H, 5])
  output z = x -> upsample([2, 3])
}
"""
    x = np.arange(6, dtype=np.int32).reshape(1, 1, 2, 3)
    for target in ("reference", "cpu"):
        found = netlang.compile(text, target=target)(x)
        np.testing.assert_array_equal(found["y"], x.repeat(2, 2)[..., [0, 0, 1, 2, 2]])
        np.testing.assert_array_equal(found["z"], x.repeat(2, 2).repeat(3, 3))


def test_faults() -> None:
    for text, message in (
        ("resize(x)", "needs a size or a scale"),
        ("resize(x, scale = 2, size = 3)", "needs a size or a scale"),
        ("resize(x, scale = 0.1)", "nothing is left of 5 elements by a scale of 0.1"),
        ("resize(x, scale = 2, antialias = true)", "antialias has no meaning"),
        ('resize(x, scale = 2, coordinates = "tf_crop_and_resize")', "needs a roi"),
        ("resize(x, size = [3, 4, 5])", "size has 3 entries for 2 axes"),
        ('resize(x > 0, size = 3, mode = "linear")', "bool elements have no means"),
        ("(x > 0) -> upsample(2, mode = bilinear)", "bool elements have no means"),
        ('resize(x, size = 3, mode = "area")', "mode is nearest or linear or cubic, not the word area"),
    ):
        with pytest.raises(NetError, match=message):
            results(f"output y = {text}", {"x": normal(*SHAPE)})
