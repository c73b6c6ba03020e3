"""random_warp against SciPy, and that it turns, enlarges and bends the way its arguments say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from netlang.ir.module import Call
from netlang.runtime.augment import EpochAugmentation
from netlang.runtime.augment.warp import DRAWS, random_warp

Array = NDArray[Any]
IMAGES = np.random.default_rng(0).random((6, 2, 9, 12)).astype(np.float32)
NOTHING, MOST = 0.5, 1.0
"""What a random number of 0 ... 1 makes of a range around nothing."""


def call(degrees: float = 0, scale: float = 0, shear: float = 0, bend: float = 0, fill: float = 0) -> Call:
    return Call("random_warp", {"degrees": degrees, "scale": scale, "shear": shear, "bend": bend, "fill": fill})


def by_scipy(image: Array, angle: float, zoom: float, shear: float, fill: float) -> Array:
    """[h, w]: the new image, of the map from its places to those of the old one, both from the middle."""
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / zoom
    back = np.array([[1, 0], [np.tan(shear), 1]]) @ turned
    middle = (np.array(image.shape) - 1) / 2
    found: Array = affine_transform(
        image.astype(np.float64), back, middle - back @ middle, order=1, mode="grid-constant", cval=fill
    )
    return found


@pytest.mark.parametrize("fill", [0.0, -1.5])
def test_it_is_the_affine_map_of_scipy(fill: float) -> None:
    draws = np.random.default_rng(1).random((len(IMAGES), DRAWS))
    found = random_warp(IMAGES, call(40, 0.5, 30, 0, fill), draws)
    for image, new, (u, v, w) in zip(IMAGES, found, 2 * draws[:, :3] - 1, strict=True):
        for old_map, new_map in zip(image, new, strict=True):
            wanted = by_scipy(old_map, np.deg2rad(40) * u, 1.5**v, np.deg2rad(30) * w, fill)
            np.testing.assert_allclose(new_map, wanted, rtol=0, atol=2e-5)


def test_nothing_drawn_changes_nothing() -> None:
    draws = np.full((len(IMAGES), DRAWS), NOTHING)
    np.testing.assert_array_equal(random_warp(IMAGES, call(40, 0.5, 30, 2), draws), IMAGES)


def test_a_quarter_turn() -> None:
    square = IMAGES[:, :, :, :9]
    turned = random_warp(square, call(degrees=90), np.full((len(square), DRAWS), MOST))
    np.testing.assert_allclose(turned, np.rot90(square, axes=(2, 3)), atol=1e-5)


def test_twice_as_large() -> None:
    image = np.zeros((1, 1, 9, 9), np.float32)
    image[..., 3:6, 3:6] = 1
    draws = np.full((1, DRAWS), NOTHING)
    draws[:, 1] = MOST
    found = random_warp(image, call(scale=1), draws)
    assert found.sum() == pytest.approx(4 * 9, rel=0.05)


def test_bending_moves_pixels_smoothly_by_as_much_as_it_says() -> None:
    """Pictures of the rows' and columns' own numbers, bent, tell where each pixel came from."""
    n, size = 400, 28
    places = np.stack(np.broadcast_arrays(*np.ogrid[:size, :size])).astype(np.float32)
    draws = np.random.default_rng(2).random((n, DRAWS))
    bent = random_warp(np.broadcast_to(places, (n, 2, size, size)).copy(), call(bend=1.5), draws)
    moved = (bent - places)[..., 6:-6, 6:-6]  # where nothing comes from outside
    assert moved.std() == pytest.approx(1.5, rel=0.05) and abs(moved.mean()) < 0.1
    steps = np.diff(moved, axis=3)
    assert steps.std() < 0.3 * moved.std()
    assert abs(np.corrcoef(moved[:, 0].ravel(), moved[:, 1].ravel())[0, 1]) < 0.1


def test_images_without_channels_and_every_batch_size() -> None:
    augment = (("image", (call(20, 0.2, 10, 1),)),)
    transform = EpochAugmentation(augment, 3, 0, len(IMAGES))
    plain, rows = IMAGES[:, 0], slice(0, len(IMAGES))
    whole = transform({"image": plain}, rows)["image"]
    assert whole.shape == plain.shape and whole.dtype == np.float32
    parts = [transform({"image": plain[a:b]}, slice(a, b))["image"] for a, b in ((0, 1), (1, 6))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
