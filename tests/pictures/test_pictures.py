"""Sheets and charts: what is drawn where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netlang.pictures import chart, painted, save, sheet, signed
from netlang.pictures.colours import PALETTE, pixels


def test_floats_and_bytes_of_every_layout_are_the_same_pixels() -> None:
    grey = np.array([[0.0, 0.5, 1.0]])
    wanted = np.array([[[0] * 3, [128] * 3, [255] * 3]], np.uint8)
    for image in (grey, grey[None], np.repeat(grey[None], 3, axis=0), wanted, wanted[..., 0]):
        np.testing.assert_array_equal(pixels(image), wanted)
    np.testing.assert_array_equal(pixels(np.array([[-1.0, 2.0, np.nan]])), [[[0] * 3, [255] * 3, [0] * 3]])
    with pytest.raises(ValueError, match="an image is"):
        pixels(np.zeros((2, 5, 5)))


def test_signs_have_colours() -> None:
    negative, zero, positive = signed(np.array([[-2.0, 0.0, 2.0]]))[0].astype(int)
    assert negative[2] > negative[0] and positive[0] > positive[2] and list(zero) == [255, 255, 255]
    weak = signed(np.array([[2.0]]), largest=8.0)[0, 0].astype(int)
    assert positive[1] < weak[1] < 255
    assert list(signed(np.zeros((1, 2, 2)))[0, 0]) == [255, 255, 255]


def test_labels_are_painted() -> None:
    assert painted(np.array([[1, 0]]), ((1, 2, 3), (4, 5, 6))).tolist() == [[[4, 5, 6], [1, 2, 3]]]


def test_a_sheet_has_its_images_in_rows_and_leaves_empty_places() -> None:
    black, white = np.zeros((3, 4)), np.ones((3, 4))
    page = np.asarray(sheet([[black, white], [None, black]], scale=2, gap=5))
    assert page.shape == (2 * 6 + 3 * 5, 2 * 8 + 3 * 5, 3)
    assert (page[5:11, 5:13] == 0).all() and (page[5:11, 18:26] == 255).all()
    assert (page[16:22, 5:13] == 255).all() and (page[16:22, 18:26] == 0).all()


def test_captions_make_room() -> None:
    image = np.zeros((4, 4))
    plain = sheet([[image], [image]])
    full = sheet([[image], [image]], columns=("a heading",), names=("one", "two"), captions=(("x",), ("y",)))
    assert full.width > plain.width and full.height > plain.height + 20
    assert (np.asarray(full) < 100).all(axis=2).sum() > 2 * 16, "letters besides the two black images"


def test_a_chart_joins_its_points() -> None:
    image = np.asarray(chart({"a": ([0, 1], [0, 1]), "b": ([0, 1], [1, 0])}, across="x", up="y", size=(200, 150)))
    for colour in PALETTE[:2]:
        rows, columns = np.nonzero((image == colour).all(axis=2))
        assert np.ptp(columns) > 120 and np.ptp(rows) > 80
    rising = np.argwhere((image == PALETTE[0]).all(axis=2))
    rising = rising[rising[:, 0] > 20]
    assert np.corrcoef(rising[:, 0], rising[:, 1])[0, 1] < -0.9, "up is up"


def test_a_chart_of_one_height_has_axes() -> None:
    assert chart({"flat": ([1, 2, 3], [4, 4, 4])}, across="x", up="y").size == (480, 320)


def test_a_saved_picture_is_small_and_the_same(tmp_path: Path) -> None:
    image = sheet([[np.arange(64).reshape(8, 8) / 64]], scale=8)
    save(image, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 4000
    back = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    assert np.abs(back - np.asarray(image)).max() <= 8
