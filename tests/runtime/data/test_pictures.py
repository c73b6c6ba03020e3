"""Faces, masks and scenes: what they yield, and how what does not suit is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netlang
from netlang.diagnostics import NetError
from netlang.runtime.data import sources

RNG = np.random.default_rng(0)


def picture(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def test_faces_are_labelled_by_person_and_two_shots_are_held_out(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    subject, shot = np.repeat([3, 9], 8), np.tile(np.arange(1, 9), 2)
    np.savez(path, images=RNG.integers(0, 256, (16, 6, 5), np.uint8), subject=subject, shot=shot)
    data = netlang.data(f"faces:{path}")
    assert data.train["image"].shape == (12, 6, 5) and data.test["image"].shape == (4, 6, 5)
    assert data.test["label"].tolist() == [0, 0, 1, 1] and data.classes == ("person 3", "person 9")


def test_a_file_that_holds_no_faces(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 3, 3)), subject=np.zeros(2))
    with pytest.raises(NetError, match="has no array 'shot'"):
        netlang.data(f"faces:{tmp_path / 'a.npz'}")
    np.savez(tmp_path / "b.npz", images=np.zeros((2, 3, 3)), subject=np.zeros(3), shot=np.zeros(2))
    with pytest.raises(NetError, match="2 images, 3 subjects and 2 shots"):
        netlang.data(f"faces:{tmp_path / 'b.npz'}")


def test_masks_of_two_values_are_two_classes(tmp_path: Path) -> None:
    for n in range(10):
        picture(tmp_path / "image" / f"{n}.png", RNG.integers(0, 256, (4, 6)))
        picture(tmp_path / "label" / f"{n}.png", np.full((4, 6), 255 * (n % 2)))
    data = netlang.data(f"masks:{tmp_path}")
    assert data.train["image"].shape == (8, 1, 4, 6) and data.test["label"].shape == (2, 4, 6)
    assert [int(label[0, 0]) for label in data.train["label"]] == [0, 1, 0, 1, 1, 0, 1, 0], "in the order of numbers"
    assert data.train["label"].dtype == np.int64 and len(data.classes) == 2


def test_void_is_the_number_after_the_last_class(tmp_path: Path) -> None:
    label = np.array([[0, 2], [255, 1]])
    picture(tmp_path / "image" / "a.jpg", RNG.integers(0, 256, (2, 2, 3)))
    picture(tmp_path / "label" / "a.png", label)
    data = netlang.data(f"masks:{tmp_path}", wanted=(3, 4, 4))
    assert data.train["image"].shape == (1, 3, 4, 4)
    doubled = np.where(label == 255, 3, label).repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(data.train["label"][0], doubled)


@pytest.mark.parametrize(
    ("image", "label", "text"),
    [
        ([], ["a"], "has no pictures in a folder 'image'"),
        (["a", "b"], ["a"], "'b' is in the folder 'image' but not in 'label'"),
        (["a"], ["a", "c"], "'c' is in the folder 'label' but not in 'image'"),
    ],
)
def test_pictures_and_labels_must_be_pairs(tmp_path: Path, image: list[str], label: list[str], text: str) -> None:
    for part, names in (("image", image), ("label", label)):
        for name in names:
            picture(tmp_path / part / f"{name}.png", np.zeros((2, 2)))
    with pytest.raises(NetError, match=text):
        netlang.data(f"masks:{tmp_path}")


def test_damaged_and_coloured_labels_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "image" / "a.png", np.zeros((2, 2)))
    picture(tmp_path / "label" / "a.png", np.zeros((2, 2, 3)))
    with pytest.raises(NetError, match=r"label .*a.png is no picture of class numbers: its pixels are RGB"):
        netlang.data(f"masks:{tmp_path}")
    (tmp_path / "label" / "a.png").write_bytes(b"nothing")
    with pytest.raises(NetError, match=r"a.png is called an image but is none"):
        netlang.data(f"masks:{tmp_path}")
    with pytest.raises(NetError, match="there is no folder"):
        netlang.data(f"masks:{tmp_path / 'nowhere'}")


def test_scenes_are_the_same_each_time_and_have_every_class() -> None:
    first, again = (sources.load("scenes", (3, 32, 48)) for _ in range(2))
    image, label = first.train["image"], first.train["label"]
    assert image.shape == (240, 3, 32, 48) and label.shape == (240, 32, 48) and image.dtype == np.uint8
    np.testing.assert_array_equal(image, again.train["image"])
    assert set(np.unique(label)) == {0, 1, 2, 3, 4}, "four classes and void"
    assert not np.array_equal(first.train["image"][:60], first.test["image"])


@pytest.mark.parametrize(
    ("source", "shape", "classes"),
    [("faces", (240, 112, 92), 40), ("membrane", (20, 1, 512, 512), 2), ("streets", (24, 3, 360, 480), 11)],
)
def test_the_real_ones(source: str, shape: tuple[int, ...], classes: int) -> None:
    try:
        data = netlang.data(source)
    except NetError as missing:
        pytest.skip(str(missing))
    assert data.train["image"].shape == shape and len(data.classes) == classes
    labels = np.unique(np.concatenate([data.train["label"], data.test["label"]]))
    assert labels.tolist() == list(range(classes + (source == "streets")))
