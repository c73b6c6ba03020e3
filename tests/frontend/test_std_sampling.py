"""Pictures between their pixels, against PyTorch."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import netlang
from tests.frontend.test_std import normal, results

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional


def of(body: str, **arrays: Any) -> Any:
    return results(f"output y = {body}", arrays)["y"]


@pytest.mark.parametrize("align", [True, False])
def test_grids(align: bool) -> None:
    x, grid = normal(2, 3, 5, 4), 1.4 * normal(2, 3, 6, 2)
    modes = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}
    for mode, padding in product(modes, ("zeros", "border", "reflection")):
        words = f'mode = "{mode}", padding = "{padding}", align_corners = {str(align).lower()}'
        wanted = F.grid_sample(torch.tensor(x), torch.tensor(grid), modes[mode], padding, align)
        found = of(f"grid_sample(x, grid, {words})", x=x, grid=grid)
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_volumes_and_gradients() -> None:
    x, grid, g = normal(1, 2, 3, 4, 5), normal(1, 2, 2, 3, 3), normal(1, 2, 2, 2, 3)
    tensors = [torch.tensor(v, requires_grad=True) for v in (x, grid)]
    F.grid_sample(*tensors, align_corners=False).backward(torch.tensor(g))
    body = "d = grad(sum(grid_sample(x, grid) * g), [x, grid])\noutput dx = d[0]\noutput dgrid = d[1]"
    out = results(body, {"x": x, "grid": grid, "g": g})
    np.testing.assert_allclose(out["dx"], tensors[0].grad, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(out["dgrid"], tensors[1].grad, rtol=1e-6, atol=1e-6)


def test_affine_grids() -> None:
    for align, size in product((True, False), ((4, 5), (2, 3, 4))):
        theta = normal(2, len(size), len(size) + 1)
        found = of(f"affine_grid(theta, {list(size)}, {str(align).lower()})", theta=theta)
        np.testing.assert_allclose(
            found, F.affine_grid(torch.tensor(theta), (2, 1, *size), align), rtol=1e-6, atol=1e-6
        )


def test_patches() -> None:
    for arguments, given in (
        ("[4, 5], [2, 3]", {}),
        ("[7, 6], 3, stride = 2, pad = 1", {"stride": 2, "padding": 1}),
        (
            "[8, 7], 2, stride = 3, pad = [1, 0], dilation = [2, 3]",
            {"stride": 3, "padding": (1, 0), "dilation": (2, 3)},
        ),
    ):
        size, kernel = eval(f"({arguments.split(', stride')[0]})")
        unfolded = F.unfold(torch.tensor(normal(2, 3, *size)), kernel, **given)
        wanted = F.fold(unfolded, size, kernel, **given)
        np.testing.assert_allclose(of(f"patches_to_picture(x, {arguments})", x=unfolded.numpy()), wanted, rtol=1e-9)


def test_convolutions_that_move_nothing_and_by_whole_pixels() -> None:
    x, w = normal(2, 4, 6, 5), normal(6, 2, 3, 3)
    offset, mask = np.zeros((2, 36, 3, 3)), np.full((2, 18, 3, 3), 0.5)
    words = "stride = 2, pad = 1, groups = 2, offset_groups = 2"
    plain = F.conv2d(torch.tensor(x), torch.tensor(w), stride=2, padding=1, groups=2)
    found = of(f"deform_convolve(x, w, offset, mask, {words})", x=x, w=w, offset=offset, mask=mask)
    np.testing.assert_allclose(found, plain / 2, rtol=1e-6, atol=1e-9)
    offset[:, 1::2] = 1  # every tap one pixel to the right
    shifted = np.pad(x, ((0, 0), (0, 0), (0, 0), (0, 1)))[..., 1:]
    wanted = F.conv2d(
        torch.tensor(np.pad(shifted, ((0, 0),) * 3 + ((1, 0),))), torch.tensor(w), stride=2, groups=2, padding=(1, 0)
    )
    found = of(f"deform_convolve(x, w, offset, none, {words})", x=x, w=w, offset=offset)
    np.testing.assert_allclose(found[..., 1:2], wanted[..., 1:2], rtol=1e-6, atol=1e-9)


def test_regions() -> None:
    """Means of points, each between four pixels; boxes that are whole cells of a ramp have their middles as values."""
    ramp = np.add.outer(10.0 * np.arange(8), np.arange(9.0))[None, None]
    boxes, picture = np.array([[1.0, 2, 5, 6], [0, 0, 4, 2]]), np.zeros(2, np.int64)
    found = of("roi_align(x, boxes, p, [2, 4])", x=ramp, boxes=boxes, p=picture)
    np.testing.assert_allclose(found[0, 0], np.add.outer([25.0, 45.0], [1.0, 2.0, 3.0, 4.0]), rtol=1e-9)
    np.testing.assert_allclose(found[1, 0, 1, 1:], 10 + np.array([1.0, 2.0, 3.0]), rtol=1e-9)


def test_compiled() -> None:
    text = """\
net n() {
  input x: f32[N, 3, H, 4]
  input theta: f32[N, 2, 3]
  output y = grid_sample(x, affine_grid(theta, [5, 6]), mode = "cubic", padding = "reflection")
}
"""
    x, theta = normal(2, 3, 5, 4).astype(np.float32), normal(2, 2, 3).astype(np.float32)
    found, wanted = (netlang.compile(text, target=t)(x, theta) for t in ("cpu", "reference"))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
