"""Transposed convolution, upsampling, unpooling and the k best, as the language has them, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netlang
from netlang.frontend import load
from netlang.ir.dims import sym
from tests.frontend.test_std import normal, results

TRANSPOSED: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("stride = 2", {"stride": 2}),
    ("stride = 3, pad = 1, output_pad = 2", {"stride": 3, "padding": 1, "output_padding": 2}),
    ("stride = [2, 1], pad = [1, 0], dilation = 2", {"stride": (2, 1), "padding": (1, 0), "dilation": 2}),
    ("groups = 2, output_pad = [1, 0], stride = 2", {"groups": 2, "output_padding": (1, 0), "stride": 2}),
]


@pytest.mark.parametrize("ours, theirs", TRANSPOSED)
def test_transposed_convolution_is_that_of_pytorch(ours: str, theirs: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    groups = theirs.get("groups", 1)
    x, w, b = normal(2, 4, 5, 6), normal(4, 6 // groups, 3, 3), normal(6)
    wanted = torch.nn.functional.conv_transpose2d(*map(torch.tensor, (x, w, b)), **theirs)
    params = {"conv_transpose1.weight": w, "conv_transpose1.bias": b}
    out = results(f"output y = x -> conv_transpose(6, 3{', ' + ours if ours else ''})", {"x": x}, params)
    np.testing.assert_allclose(out["y"], wanted)


def test_transposed_convolution_with_same_padding_multiplies_the_size() -> None:
    for stride in (1, 2, 3):
        for kernel in (2, 3, 4, 5):
            body = f"output y = x -> conv_transpose(2, {kernel}, stride = {stride}, pad = same)"
            assert results(body, {"x": normal(1, 3, 4, 7)})["y"].shape == (1, 2, 4 * stride, 7 * stride)


def test_transposed_convolution_leads_back_through_a_convolution() -> None:
    """<conv(x), y> = <x, conv_transpose(y)> with the same weights, whatever the geometry."""
    x, w = normal(2, 3, 7, 7), normal(4, 3, 3, 3)
    there = results("output y = x -> conv(4, 3, stride = 2, pad = 1, bias = false)", {"x": x}, {"conv1.weight": w})["y"]
    y = normal(*there.shape)
    body = "output x = y -> conv_transpose(3, 3, stride = 2, pad = 1, bias = false)"
    back = results(body, {"y": y}, {"conv_transpose1.weight": w})["x"]
    np.testing.assert_allclose((there * y).sum(), (x * back).sum())


def test_signals_and_volumes() -> None:
    assert results("output y = x -> conv_transpose(4, 3, stride = 2)", {"x": normal(2, 3, 5)})["y"].shape == (2, 4, 11)
    volume = results("output y = x -> conv_transpose(2, 2, stride = 2)", {"x": normal(1, 3, 2, 3, 2)})["y"]
    assert volume.shape == (1, 2, 4, 6, 4)


def test_symbolic_sizes() -> None:
    text = """\
net n() {
  input x: f32[N, 3, H, W]
  h = x -> conv(4, 3, pad = same)
  a, switches = h -> maxpool_with_switches(2)
  y: f32[N, 2, 2 * (H // 2), 2 * (W // 2)] = max_unpool(a, switches, 2) -> conv(2, 1)
  z: f32[N, 2, 2 * H, 2 * W] = h -> conv_transpose(2, 3, stride = 2, pad = same)
  u: f32[N, 4, 3 * H, 3 * W] = h -> upsample(3)
  output y
  output z
  output u
}
"""
    assert load(text).net.outputs[2][1].shape == (sym("N"), 4, sym("H") * 3, sym("W") * 3)


@pytest.mark.parametrize("mode, theirs", [("nearest", {}), ("bilinear", {"align_corners": False})])
def test_upsampling(mode: str, theirs: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    x = normal(2, 3, 4, 5)
    for ours, given in (
        ("2", {"scale_factor": 2}),
        ("[3, 1]", {"scale_factor": (3, 1)}),
        ("size = 9", {"size": (9, 9)}),
        ("size = [2, 11]", {"size": (2, 11)}),
    ):
        wanted = torch.nn.functional.interpolate(torch.tensor(x), mode=mode, **given, **theirs)
        out = results(f"output y = x -> upsample({ours}, mode = {mode})", {"x": x})["y"]
        np.testing.assert_allclose(out, wanted, atol=1e-6)


def test_unpooling_puts_the_maxima_back() -> None:
    torch = pytest.importorskip("torch")
    x = normal(2, 3, 7, 6)
    out = results(
        "y, s = x -> maxpool_with_switches(2)\noutput y\noutput back = max_unpool(y, s, 2, size = x.shape[2:])",
        {"x": x},
    )
    y, places = torch.nn.functional.max_pool2d(torch.tensor(x), 2, return_indices=True)
    np.testing.assert_array_equal(out["y"], y)
    np.testing.assert_array_equal(out["back"], torch.nn.functional.max_unpool2d(y, places, 2, output_size=x.shape[2:]))


def test_the_k_best() -> None:
    torch = pytest.importorskip("torch")
    x = normal(3, 7, 2)
    out = results("v, i = x -> topk(4)\noutput v\noutput i\noutput again = take_along(x, i)", {"x": x})
    values, indices = torch.topk(torch.tensor(x), 4, dim=1)
    np.testing.assert_array_equal(out["v"], values)
    np.testing.assert_array_equal(out["i"], indices)
    np.testing.assert_array_equal(out["again"], values)


def test_top_k_accuracy() -> None:
    logits = np.array([[5.0, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5]])
    label = np.array([4, 1])
    for k, share in ((1, 0), (4, 0), (5, 1), (6, 1)):
        out = results(f"output a = top_k_accuracy(logits, label, k = {k})", {"logits": logits, "label": label})
        assert out["a"] == share
    both = {"logits": normal(40, 6), "label": np.arange(40) % 6}
    out = results("output a = top_k_accuracy(logits, label, k = 1)\noutput b = accuracy(logits, label)", both)
    assert out["a"] == out["b"]


def test_top_k_accuracy_of_maps() -> None:
    logits, label = normal(2, 5, 3, 4), np.random.default_rng(0).integers(0, 5, (2, 3, 4))
    out = results("output a = top_k_accuracy(logits, label, k = 2)", {"logits": logits, "label": label})
    best = np.argsort(-logits, axis=1)[:, :2]
    np.testing.assert_allclose(out["a"], (best == label[:, None]).any(axis=1).mean(), rtol=1e-6)


def test_unshared_convolution() -> None:
    x, w, b = normal(2, 3, 6, 7), normal(3, 2, 4, 3, 2, 3), normal(4, 3, 2)
    params = {"local_conv1.weight": w, "local_conv1.bias": b}
    y = results("output y = x -> local_conv(4, [2, 3], stride = [2, 3])", {"x": x}, params)["y"]
    assert y.shape == (2, 4, 3, 2)
    for i, j in np.ndindex(3, 2):
        patch = x[:, :, 2 * i : 2 * i + 2, 3 * j : 3 * j + 3]
        np.testing.assert_allclose(y[:, :, i, j], np.einsum("ochw,nchw->no", w[i, j], patch) + b[:, i, j])


def test_unshared_convolution_leads_back_by_the_same_weights() -> None:
    """<conv(x), y> = <x, transposed(y)>."""
    x, y, w = normal(2, 3, 6, 7), normal(2, 4, 5, 3), normal(5, 3, 4, 3, 2, 3)
    body = """\
there = convolve_local(x, w, stride = [1, 2])
back = convolve_local_transposed(y, w, [6, 7], stride = [1, 2])
output a = sum(there * y)
output b = sum(back * x)
"""
    out = results(body, {"x": x, "y": y, "w": w})
    np.testing.assert_allclose(out["a"], out["b"])


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("ceil_mode", [True, False])
def test_means_of_windows_with_gaps(include: bool, ceil_mode: bool) -> None:
    """Against every window taken by hand; padding counts only as far as it goes."""
    x = normal(1, 2, 10, 8)
    flags = f"ceil_mode = {str(ceil_mode).lower()}, count_include_pad = {str(include).lower()}"
    y = results(f"output y = x -> avgpool([3, 2], stride = 3, pad = [3, 1], dilation = [2, 3], {flags})", {"x": x})["y"]
    assert y.shape[2:] == ((5, 3) if ceil_mode else (4, 3))
    for i, j in np.ndindex(*y.shape[2:]):
        rows, columns = [3 * i - 3 + 2 * t for t in range(3)], [3 * j - 1 + 3 * t for t in range(2)]
        taps = [(r, c) for r in rows for c in columns if (r < 10 + 3 and c < 8 + 1)]
        inside = [(r, c) for r, c in taps if 0 <= r < 10 and 0 <= c < 8]
        total = sum(x[:, :, r, c] for r, c in inside)
        np.testing.assert_allclose(y[:, :, i, j], total / len(taps if include else inside), rtol=1e-12)


def test_pools_by_other_norms() -> None:
    torch = pytest.importorskip("torch")
    x = normal(2, 3, 7, 6)
    for p in (1, 2, 3, 2.5):
        out = results(
            f"output y = x -> lppool(3, p = {p}, stride = 2)\noutput whole = x -> global_lppool(p = {p})", {"x": x}
        )
        np.testing.assert_allclose(out["y"], torch.nn.functional.lp_pool2d(torch.tensor(abs(x)), p, 3, 2), rtol=1e-9)
        np.testing.assert_allclose(out["whole"], np.linalg.norm(x.reshape(2, 3, -1), p, axis=2), rtol=1e-9)


def test_places_of_maxima_in_the_whole_tensor() -> None:
    torch = pytest.importorskip("torch")
    for shape, given in (
        ((2, 3, 9), {}),
        ((2, 3, 9, 8), {"stride": 2, "padding": 1}),
        ((1, 2, 5, 6, 7), {"stride": 2}),
    ):
        x = normal(*shape)
        ours = f"stride = {given.get('stride', 'none')}, pad = {given.get('padding', 0)}, dilation = 1"
        out = results(f"y, s = x -> maxpool_with_places(3, {ours})\noutput y\noutput s", {"x": x})
        pool = getattr(torch.nn.functional, f"max_pool{len(shape) - 2}d")
        wanted, places = pool(torch.tensor(x), 3, return_indices=True, **given)
        np.testing.assert_array_equal(out["y"], wanted)
        planes = np.arange(shape[0] * shape[1]).reshape(*shape[:2], *[1] * (len(shape) - 2))
        np.testing.assert_array_equal(out["s"], places.numpy() + planes * np.prod(shape[2:]))
        np.testing.assert_array_equal(x.reshape(-1)[out["s"]], out["y"])


def test_places_counted_down_the_columns() -> None:
    x = normal(2, 2, 5, 6)
    body = "y, s = x -> maxpool_with_places([2, 3], columns_first = true)\noutput y\noutput s"
    out = results(body, {"x": x})
    np.testing.assert_array_equal(x.transpose(0, 1, 3, 2).reshape(-1)[out["s"]], out["y"])


def test_maxima_of_whole_numbers() -> None:
    x = np.random.default_rng(1).integers(-128, 128, (1, 2, 4, 6)).astype(np.int8)
    text = "net n() {\n  input x: i8[1, 2, 4, 6]\n  output y = x -> maxpool(2, pad = [1, 0])\n}\n"
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)), constant_values=-128)
    wanted = padded.reshape(1, 2, 3, 2, 3, 2).max(axis=(3, 5))
    for target in ("reference", "cpu"):
        found = netlang.compile(text, target=target)(x)
        assert found.dtype == np.int8
        np.testing.assert_array_equal(found, wanted)


def test_blocks_of_pixels() -> None:
    torch = pytest.importorskip("torch")
    x = normal(2, 12, 3, 4)
    body = """\
output shuffled = x -> depth_to_space(2, channels_first = true)
output there_and_back = x -> depth_to_space(2) -> space_to_depth(2)
output back = x -> depth_to_space(2, channels_first = true) -> space_to_depth(2, channels_first = true)
output corner = x -> depth_to_space(2)
"""
    out = results(body, {"x": x})
    np.testing.assert_array_equal(out["shuffled"], torch.nn.functional.pixel_shuffle(torch.tensor(x), 2))
    for name in ("there_and_back", "back"):
        np.testing.assert_array_equal(out[name], x)
    np.testing.assert_array_equal(out["corner"][:, :, ::2, 1::2], x[:, 3:6])
