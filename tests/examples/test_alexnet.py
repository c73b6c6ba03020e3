"""AlexNet: short in one column; in towers it computes what grouped convolutions do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import netlang
from benchmarks.family.records import EXAMPLES
from netlang.frontend import load
from netlang.passes import towers

FOLDER = EXAMPLES / "alexnet"
SMALL = {"classes": 7, "size": 67, "width": 6, "units": 20}


def test_the_column_fits_into_twenty_five_lines() -> None:
    assert len((FOLDER / "alexnet.net").read_text().splitlines()) <= 25


def test_towers_have_the_shapes_of_the_papers_figure() -> None:
    shapes = [tuple(map(str, n.out.shape[1:])) for n in load(FOLDER / "two_towers.net").net.nodes if n.op == "conv"]
    figure = [("48", "55", "55"), ("128", "27", "27"), ("192", "13", "13"), ("192", "13", "13"), ("128", "13", "13")]
    assert sorted(shapes) == sorted(figure * 2)


def test_towers_become_grouped_convolutions_on_one_device() -> None:
    joined = towers.run(load(FOLDER / "two_towers.net").net)
    layers = {tuple(map(str, n.inputs[1].shape)): n.attrs["groups"] for n in joined.nodes if n.op == "conv"}
    assert layers == {
        ("96", "3", "11", "11"): 1, ("256", "48", "5", "5"): 2, ("384", "256", "3", "3"): 1,
        ("384", "192", "3", "3"): 2, ("256", "192", "3", "3"): 2,
    }  # fmt: skip


def test_the_towers_compute_what_torch_does() -> None:
    torch = pytest.importorskip("torch")
    model = netlang.compile(FOLDER / "two_towers.net", arguments=SMALL, threads=1).init(seed=2)
    image = np.random.default_rng(3).standard_normal((2, 3, 67, 67)).astype(np.float32)
    p = {name: torch.from_numpy(np.array(a)) for name, a in model.parameters.items()}
    np.testing.assert_allclose(model(image), _in_torch(torch, p, torch.from_numpy(image)), rtol=1e-4, atol=1e-6)


def _in_torch(torch: Any, p: Mapping[str, Any], image: Any) -> Any:
    """The paper's section 3.5, tower by tower."""
    f = torch.nn.functional

    def layer(name: str, x: Any, **geometry: int) -> Any:
        return f.conv2d(x, p[f"{name}.weight"], p[f"{name}.bias"], **geometry).relu()

    def normalised_pool(x: Any) -> Any:
        return f.max_pool2d(f.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2), 3, 2)

    def lower(i: int) -> Any:
        h = normalised_pool(layer(f"lower{i}.conv1", image, stride=4))
        return normalised_pool(layer(f"lower{i}.conv2", h, padding=2))

    def upper(i: int, maps: Any) -> Any:
        for j in (1, 2, 3):
            maps = layer(f"upper{i}.conv{j}", maps, padding=1)
        return f.max_pool2d(maps, 3, 2).flatten(1)

    def dense(name: str, x: Any) -> Any:
        return f.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])

    maps = torch.cat([lower(1), lower(2)], 1)
    h = torch.cat([upper(1, maps), upper(2, maps)], 1)
    h = torch.cat([dense("half1.dense1", h), dense("half2.dense1", h)], 1).relu()
    h = torch.cat([dense("half3.dense1", h), dense("half4.dense1", h)], 1).relu()
    return dense("dense1", h).softmax(1).numpy()
