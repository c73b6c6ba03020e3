"""Segmentation: the published widths of the U-Net, void, and changes that pictures and labels undergo jointly."""

from __future__ import annotations

import numpy as np
import pytest

import netlang
from benchmarks.family.records import EXAMPLES
from netlang.frontend import load
from tests.examples.scripts import beside

FAMILY = EXAMPLES / "segmentation"
jointly = beside("segmentation", "jointly")


def test_with_64_maps_it_has_the_parameters_of_the_published_u_net() -> None:
    net = load(FAMILY / "unet.net", arguments={"maps": 64}).net
    assert sum(int(str(p.type.size)) for p in net.params) == 31_030_658


@pytest.mark.parametrize("file", ["unet.net", "fcn.net"])
def test_void_pixels_do_not_count(file: str) -> None:
    small = {"maps": 2, "classes": 3, "height": 32, "width": 32, "colours": 1}
    rng = np.random.default_rng(0)
    image = rng.random((2, 1, 32, 32), np.float32)
    label = rng.integers(0, 3, (2, 32, 32))
    half = label.copy()
    half[:, 16:] = 3
    trainer = netlang.compile(FAMILY / file, target="reference", arguments=small).trainer(seed=1)
    both, upper = (trainer.evaluate({"image": image, "label": what}) for what in (label, half))
    probs = netlang.compile(FAMILY / file, target="reference", arguments=small).init(1)(image)
    right = probs.argmax(axis=1) == label
    assert both["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    assert upper["accuracy"] == pytest.approx(right[:, :16].mean(), abs=1e-6)
    n, y, x = np.ogrid[:2, :16, :32]
    assert upper["loss"] == pytest.approx(-np.log(probs[n, label[:, :16], y, x]).mean(), rel=1e-4)
    nothing = trainer.evaluate({"image": image, "label": np.full_like(label, 7)})
    assert nothing == {"loss": 0.0, "accuracy": 0.0}


@pytest.mark.parametrize("seed", range(4))
def test_labels_follow_their_pictures(seed: int) -> None:
    """A picture that shows its own labels still does after every change."""
    label = np.kron(np.random.default_rng(9).integers(0, 4, (4, 4)), np.ones((8, 8), np.int64))
    image = label[None].astype(np.float32)
    rng = np.random.default_rng(seed)
    flipped, turned = jointly.flipped(rng, image, label, turns=True)
    np.testing.assert_array_equal(flipped[0], turned)
    for changed, followed in (jointly.bent(rng, image, label, 2.0, 4), jointly.zoomed(rng, image, label, 2.0)):
        seen = followed != 4
        assert changed.shape == image.shape and followed.shape == label.shape
        # Between two classes a picture is interpolated and a label is not.
        assert (np.abs(changed[0] - followed)[seen] < 0.25).mean() > 0.75
        assert not np.array_equal(followed, label)


def test_what_comes_in_from_outside_is_void() -> None:
    label, image = np.zeros((16, 16), np.int64), np.ones((1, 16, 16), np.float32)
    changed, followed = jointly.bent(np.random.default_rng(0), image, label, 6.0, 5)
    assert set(np.unique(followed)) == {0, 5}
    assert (changed[0][followed == 5] == 0).all() and (changed[0][followed == 0] == 1).all()
