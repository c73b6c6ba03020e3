"""Augmentation: what each transformation does, and that it depends on seed, epoch and place alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.diagnostics import NetError
from netlang.ir.module import Call
from netlang.runtime.augment import EpochAugmentation, check, for_evaluation
from netlang.runtime.augment.lighting import DIRECTIONS, VARIANCES

Array = NDArray[Any]
IMAGES = np.arange(20 * 3 * 8 * 8, dtype=np.float32).reshape(20, 3, 8, 8) + 1
SHIFT = Call("random_shift", {"pixels": 2, "fill": 0.0})
CROP = Call("random_crop", {"pad": 3, "fill": -1.0})
FLIP = Call("random_flip", {"p": 0.5, "axis": "horizontal"})
ERASE = Call("random_erase", {"p": 1.0, "area": 0.25})
RESIZED = Call("random_resized_crop", {"area": 0.3, "ratio": 4 / 3})
SHIFTED_COLOUR = Call("color_shift", {"strength": 0.1})
JITTER = Call("color_jitter", {"brightness": 0.4, "contrast": 0.3, "saturation": 0.2})
NORMALIZE = Call("normalize", {"mean": (1.0, 2.0, 3.0), "std": 2.0})


def augmented(*calls: Call, seed: int = 0, epoch: int = 0, rows: slice = slice(0, 20)) -> Array:
    transform = EpochAugmentation((("image", calls),), seed, epoch, 20)
    return transform({"image": IMAGES[rows], "label": np.arange(20)[rows]}, rows)["image"]


@pytest.mark.parametrize("call", [SHIFT, CROP, RESIZED, FLIP, ERASE, SHIFTED_COLOUR, JITTER])
def test_every_batch_gets_the_same_whatever_its_size(call: Call) -> None:
    whole = augmented(call)
    parts = [augmented(call, rows=slice(a, b)) for a, b in [(0, 7), (7, 8), (8, 20)]]
    assert np.array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(augmented(call, epoch=1), whole)
    assert not np.array_equal(augmented(call, seed=1), whole)
    assert whole.dtype == np.float32 and whole.flags.c_contiguous and whole.shape == IMAGES.shape


@pytest.mark.parametrize(("call", "reach", "fill"), [(SHIFT, 2, 0.0), (CROP, 3, -1.0)])
def test_shifted_images(call: Call, reach: int, fill: float) -> None:
    seen = set()
    for old, new in zip(IMAGES, augmented(call), strict=True):
        padded = np.pad(old, ((0, 0), (reach, reach), (reach, reach)), constant_values=fill)
        places = [
            (y, x)
            for y in range(2 * reach + 1)
            for x in range(2 * reach + 1)
            if np.array_equal(padded[:, y : y + 8, x : x + 8], new)
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) > 5


def test_images_without_channels() -> None:
    plain = IMAGES[:, 0]
    out = EpochAugmentation((("image", (SHIFT,)),), 0, 0, 20)({"image": plain}, slice(0, 20))["image"]
    assert np.array_equal(out, augmented(SHIFT)[:, 0])


@pytest.mark.parametrize(("axis", "dim"), [("horizontal", -1), ("vertical", -2)])
def test_flips(axis: str, dim: int) -> None:
    out = augmented(Call("random_flip", {"p": 0.5, "axis": axis}))
    flipped = [np.array_equal(new, np.flip(old, dim)) for old, new in zip(IMAGES, out, strict=True)]
    kept = [np.array_equal(new, old) for old, new in zip(IMAGES, out, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True)) and 2 < sum(flipped) < 18


def test_erased_rectangles() -> None:
    out = augmented(ERASE)
    for old, new in zip(IMAGES, out, strict=True):
        gone = new[0] == 0
        rows, columns = np.flatnonzero(gone.any(axis=1)), np.flatnonzero(gone.any(axis=0))
        assert gone.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        assert 1 <= gone.sum() <= 0.25 * 64 * 1.5
        assert np.array_equal(new[:, ~gone], old[:, ~gone]) and not new[:, gone].any()


def test_a_resized_crop_is_a_part_drawn_out_bilinearly() -> None:
    """IMAGES grow by 1 to the right and by 8 downwards; so do crops, in smaller steps, and never beyond the image."""
    steps = []
    for old, new in zip(IMAGES, augmented(RESIZED), strict=True):
        assert old.min() <= new.min() and new.max() <= old.max()
        down, right = (np.diff(new[0].astype(float), axis=axis) for axis in (0, 1))
        # Away from the ends of the part, where its pixels repeat, the slope is the same everywhere.
        middle_down, middle_right = down[3, 4], right[4, 3]
        assert np.allclose(down[2:-2], middle_down, atol=1e-3) and np.allclose(right[:, 2:-2], middle_right, atol=1e-3)
        tall, wide = middle_down, 8 * middle_right
        assert np.allclose([tall, wide], np.rint([tall, wide]), atol=1e-2), "whole pixels"
        assert 1 <= tall <= 8 and 1 <= wide <= 8 and tall * wide >= 0.25 * 64
        steps.append((round(float(tall)), round(float(wide))))
    assert len(set(steps)) > 4


def test_the_whole_image_as_a_crop_is_the_image() -> None:
    whole = Call("random_resized_crop", {"area": 1.0, "ratio": 1.0})
    assert np.allclose(augmented(whole), IMAGES)
    plain = EpochAugmentation((("image", (whole,)),), 0, 0, 20)({"image": IMAGES[:, 0]}, slice(0, 20))["image"]
    assert np.allclose(plain, IMAGES[:, 0])


def test_a_colour_shift_adds_one_colour_with_the_spread_of_imagenet() -> None:
    call = Call("color_shift", {"strength": 0.1})
    transform = EpochAugmentation((("image", (call,)),), 0, 0, 4000)
    out = transform({"image": np.zeros((4000, 3, 2, 2), np.float32)}, slice(0, 4000))["image"]
    assert np.array_equal(out, np.broadcast_to(out[:, :, :1, :1], out.shape))
    wanted = DIRECTIONS @ np.diag((0.1 * VARIANCES) ** 2) @ DIRECTIONS.T
    found = np.cov(out[:, :, 0, 0].T)
    assert np.allclose(found, wanted, atol=0.06 * np.abs(wanted).max())
    assert np.abs(out.mean(axis=0)).max() < 1e-3


def colours(brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0) -> Array:
    return augmented(
        Call("color_jitter", {"brightness": brightness, "contrast": contrast, "saturation": saturation})
    ).astype(np.float64)


def grey(images: Array) -> Array:
    return np.einsum("nchw,c->nhw", images, [0.299, 0.587, 0.114])


def test_what_jitter_changes_and_what_it_leaves() -> None:
    assert np.allclose(colours(), IMAGES)
    factors = (colours(brightness=0.4) / IMAGES).reshape(20, -1)
    assert np.allclose(factors, factors[:, :1], rtol=1e-4)
    assert factors.min() >= 0.6 and factors.max() <= 1.4 and np.ptp(factors) > 0.4
    flatter = colours(contrast=0.4)
    assert np.allclose(grey(flatter).mean(axis=(1, 2)), grey(IMAGES).mean(axis=(1, 2)), rtol=1e-5)
    assert not np.allclose(flatter, IMAGES, rtol=1e-2)
    paler = colours(saturation=0.4)
    assert np.allclose(grey(paler), grey(IMAGES), rtol=1e-5) and not np.allclose(paler, IMAGES, rtol=1e-3)


def test_a_grey_image_has_no_saturation() -> None:
    call = Call("color_jitter", {"brightness": 0.0, "contrast": 0.0, "saturation": 1.0})
    for images in (IMAGES[:, :1], IMAGES[:, 0]):
        out = EpochAugmentation((("image", (call,)),), 0, 0, 20)({"image": images}, slice(0, 20))["image"]
        assert np.allclose(out, images)


def test_normalising_is_all_that_evaluation_does() -> None:
    expected = (IMAGES - np.array([1, 2, 3]).reshape(3, 1, 1)) / 2
    assert np.allclose(augmented(NORMALIZE), expected)
    found = for_evaluation((("image", (SHIFT, NORMALIZE, FLIP)),), {"image": IMAGES})["image"]
    assert np.allclose(found, expected) and found.dtype == np.float32


def test_what_does_not_suit_is_refused() -> None:
    with pytest.raises(NetError, match="random_shift needs images"):
        check((("x", (SHIFT,)),), {"x": (64,)})
    with pytest.raises(NetError, match="normalize has 3 values"):
        check((("x", (NORMALIZE,)),), {"x": (1, 8, 8)})
    with pytest.raises(NetError, match=r"color_shift needs images in red, green and blue, 'x' has .* \[1, 8, 8\]"):
        check((("x", (SHIFTED_COLOUR,)),), {"x": (1, 8, 8)})
    check((("x", (SHIFT, NORMALIZE, SHIFTED_COLOUR)),), {"x": (3, 8, 8)})
