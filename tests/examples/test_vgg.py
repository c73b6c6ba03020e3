"""VGG-16 with dense layers as convolutions: the same answers, and maps of them on larger pictures."""

from __future__ import annotations

import numpy as np
import pytest

import netlang
from benchmarks.family.records import EXAMPLES
from netlang.runtime.model import Model

FOLDER = EXAMPLES / "vgg"
SMALL = {"classes": 10, "width": 4, "units": 48}


@pytest.fixture(scope="module")
def nets() -> tuple[Model, Model]:
    """(VGG-16, the convolutional one with its weights reshaped), both with few channels."""
    dense, slid = (
        netlang.compile(FOLDER / f"{name}.net", arguments=SMALL, threads=1).init(seed=1)
        for name in ("vgg16", "vgg16_convolutional")
    )
    for name, value in dense.parameters.items():
        to = name.replace("dense", "conv")  # dense1, dense2, dense3 became conv1, conv2, conv3
        slid.parameters[to] = np.reshape(value, slid.parameters[to].shape)
    return dense, slid


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 3, height, width)).astype(np.float32)


def test_the_same_answer_on_224_pixels(nets: tuple[Model, Model]) -> None:
    dense, slid = nets
    image = picture(224, 224)
    wanted, found = dense(image), slid(image)
    assert np.ptp(wanted) > 0.01, "the answer says something"
    assert found["map"].shape == (2, 10, 1, 1)
    np.testing.assert_allclose(found["map"][:, :, 0, 0], wanted, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["probs"], wanted, rtol=0, atol=1e-4)


def test_a_map_of_answers_on_a_larger_picture(nets: tuple[Model, Model]) -> None:
    _, slid = nets
    found = slid(picture(256, 320))
    assert found["map"].shape == (2, 10, 2, 4) and found["probs"].shape == (2, 10)
    np.testing.assert_allclose(found["map"].sum(axis=1), 1, rtol=1e-5)
    assert np.ptp(found["map"][0], axis=(1, 2)).max() > 1e-4, "places differ"
