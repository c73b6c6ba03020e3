"""What a filter likes: along the gradient of a unit, that unit answers more strongly, in every layer."""

from __future__ import annotations

import numpy as np
import pytest

import netlang
from benchmarks.family.records import EXAMPLES

VIEWS = EXAMPLES / "features" / "views.net"
RNG = np.random.default_rng(0)
IMAGE = RNG.random((4, 1, 28, 28), np.float32)


@pytest.mark.parametrize(("layer", "key"), [(1, "maps1"), (2, "maps2"), (3, "probs")])
def test_the_gradient_is_that_of_the_unit_that_is_asked_for(layer: int, key: str) -> None:
    views = netlang.compile(VIEWS, arguments={"layer": layer, "maps": 4}, threads=1).init(seed=1)
    unit = np.array([0, 1, 2, 3])
    seen = views(IMAGE, unit)
    change = 1e-3 * seen["liked"] / np.sqrt((seen["liked"] ** 2).sum(axis=(1, 2, 3), keepdims=True))
    rise = views(IMAGE + change, unit)["strong"] - seen["strong"]
    slope = (seen["liked"] * change).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(rise, slope, rtol=0.05, atol=2e-6)
    assert (rise > 0).all()
    if layer < 3:
        size = seen[key].shape[2]
        middle = seen[key][unit, unit, size // 2, size // 2]
        np.testing.assert_allclose(np.maximum(seen["strong"], 0), middle, rtol=1e-5, atol=1e-6)


def test_saliency_is_where_a_change_matters() -> None:
    views = netlang.compile(VIEWS, arguments={"maps": 4}, threads=1).init(seed=1)
    unit = np.zeros(1, np.int64)
    saliency = views(IMAGE[:1], unit)["saliency"][0, 0]
    y, x = np.unravel_index(saliency.argmax(), saliency.shape)
    assert saliency.min() >= 0
    digit = views.nets["digit"]
    moved = [IMAGE[:1].copy() for _ in range(2)]
    for image, step in zip(moved, (1e-3, -1e-3), strict=True):
        image[0, 0, y, x] += step
    best = [digit(image)["logits"].max() for image in moved]
    assert abs(best[0] - best[1]) / 2e-3 == pytest.approx(saliency.max(), rel=0.05)
