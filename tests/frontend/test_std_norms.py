"""Normalisations of single samples, against PyTorch and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import netlang
from tests.frontend.test_std import normal, results

Array = NDArray[Any]


def of(layer: str, x: Array, shape: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """A layer's result for x, its weight and its bias."""
    w, b = normal(*shape), normal(*shape)
    name = f"{layer.split('(')[0]}1"
    params = {f"{name}.weight": w, f"{name}.bias": b}
    return results(f"output y = x -> {layer}", {"x": x}, params)["y"], w, b


def test_layernorm() -> None:
    torch = pytest.importorskip("torch")
    x = normal(3, 4, 5)
    for layer, shape in (("layernorm", (5,)), ("layernorm(2, eps = 0.1)", (4, 5))):
        y, w, b = of(layer, x, shape)
        eps = 0.1 if "eps" in layer else 1e-5
        wanted = torch.nn.functional.layer_norm(torch.tensor(x), shape, torch.tensor(w), torch.tensor(b), eps)
        np.testing.assert_allclose(y, wanted, rtol=1e-9, atol=1e-9)


def test_groupnorm_and_instancenorm() -> None:
    torch = pytest.importorskip("torch")
    x = normal(2, 6, 4, 5)
    for groups in (1, 2, 6):
        y, w, b = of(f"groupnorm({groups})", x, (6,))
        wanted = torch.nn.functional.group_norm(torch.tensor(x), groups, torch.tensor(w), torch.tensor(b))
        np.testing.assert_allclose(y, wanted, rtol=1e-9, atol=1e-9)
    y, w, b = of("instancenorm", x, (6,))
    wanted = torch.nn.functional.instance_norm(torch.tensor(x), weight=torch.tensor(w), bias=torch.tensor(b))
    np.testing.assert_allclose(y, wanted, rtol=1e-9, atol=1e-9)


def test_rmsnorm() -> None:
    torch = pytest.importorskip("torch")
    x, w = normal(2, 3, 8), normal(8)
    y = results("output y = x -> rmsnorm", {"x": x}, {"rmsnorm1.weight": w})["y"]
    np.testing.assert_allclose(y, torch.nn.functional.rms_norm(torch.tensor(x), (8,), torch.tensor(w), 1e-6), rtol=1e-9)


def test_gaussian_blur() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    x = normal(2, 3, 12, 11)
    y = results("output y = x -> gaussian_blur(5, sigma = 1.2)", {"x": x})["y"]
    # SciPy's window of two standard deviations and a bit has the same five taps.
    ones = ndimage.gaussian_filter(np.ones(x.shape[2:]), 1.2, mode="constant", truncate=2 / 1.2)
    for plane, found in zip(x.reshape(-1, 12, 11), y.reshape(-1, 12, 11), strict=True):
        wanted = ndimage.gaussian_filter(plane, 1.2, mode="constant", truncate=2 / 1.2) / ones
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)


def test_blurring_something_even_changes_nothing() -> None:
    y = results("output y = x -> gaussian_blur(7)", {"x": np.full((1, 2, 9, 5), 3.5)})["y"]
    np.testing.assert_allclose(y, 3.5)


def test_local_contrast_norm_is_the_formula_of_jarrett() -> None:
    """Subtractive, then divisive, over a Gaussian window of all channels, far from the border."""
    x = normal(2, 3, 15, 15)
    bell = np.exp(-0.5 * ((np.arange(5) - 2) / 1.25) ** 2)
    window = np.outer(bell, bell) / bell.sum() ** 2 / 3

    def mean(maps: Array) -> Array:
        """At the pixels whose window lies inside."""
        views = np.lib.stride_tricks.sliding_window_view(maps, (5, 5), axis=(2, 3))
        return np.asarray(np.einsum("nchwij,ij->nhw", views, window)[:, None])

    centred = x[:, :, 2:-2, 2:-2] - mean(x)
    deviation = np.sqrt(mean(centred**2))
    y = results("output y = x -> local_contrast_norm(5, least = 0.9)", {"x": x})["y"]
    wanted = centred[:, :, 2:-2, 2:-2] / np.maximum(deviation, 0.9)
    np.testing.assert_allclose(y[:, :, 4:-4, 4:-4], wanted, rtol=1e-6, atol=1e-9)


def test_local_contrast_norm_forgets_brightness_and_contrast() -> None:
    x = normal(1, 2, 10, 10)
    body = "output y = x -> local_contrast_norm(5)"
    np.testing.assert_allclose(results(body, {"x": 7 * x + 3})["y"], results(body, {"x": x})["y"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layer", ["layernorm", "groupnorm(2)", "instancenorm", "rmsnorm", "local_contrast_norm(3)"])
def test_the_cpu_computes_and_differentiates_them(layer: str) -> None:
    text = f"""\
net n() {{
  input x: f32[N, 4, 6, 5]
  h = x -> conv(4, 3, pad = same) -> {layer}
  output y = h
  output slope = grad(sum(h ** 3), x)
}}
"""
    x = normal(3, 4, 6, 5).astype(np.float32)
    found, wanted = (netlang.compile(text, target=t).init(1)(x) for t in ("cpu", "reference"))
    for name in wanted:
        size = float(np.abs(wanted[name]).max())
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-3, atol=1e-4 * size)
