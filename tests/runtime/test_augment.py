"""Augmentation: what each transformation does, and that it depends on seed, epoch and place alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.diagnostics import NetError
from netlang.ir.module import Call
from netlang.runtime.augment import EpochAugmentation, check, for_evaluation

Array = NDArray[Any]
IMAGES = np.arange(20 * 3 * 8 * 8, dtype=np.float32).reshape(20, 3, 8, 8) + 1
SHIFT = Call("random_shift", {"pixels": 2, "fill": 0.0})
CROP = Call("random_crop", {"pad": 3, "fill": -1.0})
FLIP = Call("random_flip", {"p": 0.5, "axis": "horizontal"})
ERASE = Call("random_erase", {"p": 1.0, "area": 0.25})
NORMALIZE = Call("normalize", {"mean": (1.0, 2.0, 3.0), "std": 2.0})


def augmented(*calls: Call, seed: int = 0, epoch: int = 0, rows: slice = slice(0, 20)) -> Array:
    transform = EpochAugmentation((("image", calls),), seed, epoch, 20)
    return transform({"image": IMAGES[rows], "label": np.arange(20)[rows]}, rows)["image"]


@pytest.mark.parametrize("call", [SHIFT, CROP, FLIP, ERASE])
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
    check((("x", (SHIFT, NORMALIZE)),), {"x": (3, 8, 8)})
