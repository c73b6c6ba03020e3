"""The deconvolutional view: a feature's way back, against the gradient that it resembles."""

from __future__ import annotations

import numpy as np

import netlang
from benchmarks.family.records import EXAMPLES

NET = EXAMPLES / "deconvnet" / "deconvnet.net"


def test_both_nets_have_one_set_of_weights() -> None:
    model = netlang.compile(NET, arguments={"width": 3}).init(0)
    view = model.nets["deconvnet"]
    model.parameters["conv1.bias"] = np.arange(3, dtype=np.float32)
    assert np.asarray(view.parameters["conv1.bias"]).tolist() == [0, 1, 2]


def test_the_first_view_is_the_kernel_at_the_strongest_place() -> None:
    model = netlang.compile(NET, arguments={"width": 3}).init(1)
    view = model.nets["deconvnet"]
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    out = {**view(image=x, feature=np.array([2, 1])), **model.nets["responses"](x)}
    weights = np.asarray(model.parameters["conv1.weight"])
    for n, feature in enumerate((2, 1)):
        strength = out["peaks1"][n, feature]
        painted = np.argwhere(out["view1"][n] != 0)
        low, high = painted.min(axis=0), painted.max(axis=0) + 1
        patch = out["view1"][n][:, low[1] : high[1], low[2] : high[2]]
        if patch.shape == (3, 5, 5):
            np.testing.assert_allclose(patch, strength * weights[feature], rtol=1e-5)
        assert patch.shape[1] <= 5 and patch.shape[2] <= 5 and strength > 0


def test_views_grow_with_the_layers() -> None:
    view = netlang.compile(NET, arguments={"width": 3}).init(1).nets["deconvnet"]
    x = np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype(np.float32)
    out = view(image=x, feature=np.zeros(4, np.int64))
    painted = [int((out[f"view{layer}"] != 0).any(axis=1).sum()) for layer in (1, 2, 3)]
    assert 0 < painted[0] < painted[1] < painted[2]
