"""ResNet: short, and what it computes is what torch does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netlang
from benchmarks.family.records import EXAMPLES
from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.runtime.ports import dtype_name
from netlang.runtime.tensor_file import write_tensors

FOLDER = EXAMPLES / "resnet"


def test_all_depths_together_fit_into_forty_lines() -> None:
    assert len((FOLDER / "resnet.net").read_text().splitlines()) <= 40


def test_a_depth_that_there_is_not() -> None:
    with pytest.raises(NetError, match=r"the table has nothing for the number 20(.|\n)*it has 18, 34, 50, 101, 152"):
        load(FOLDER / "resnet.net", arguments={"depth": 20})


@pytest.mark.parametrize("depth", [18, 50])
def test_it_computes_what_torch_does(depth: int) -> None:
    torch = pytest.importorskip("torch")
    small = {"depth": depth, "classes": 7, "size": 64, "width": 8}
    model = netlang.compile(FOLDER / "resnet.net", arguments=small, threads=1).init(seed=1)
    rng = np.random.default_rng(0)
    for name, value in model.parameters.items():
        if "batchnorm" in name:
            model.parameters[name] = rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
    image = rng.standard_normal((2, 3, 64, 64)).astype(np.float32)
    p = {name: torch.from_numpy(np.array(a)) for name, a in model.parameters.items()}
    wanted = _in_torch(torch, p, torch.from_numpy(image), depth)
    np.testing.assert_allclose(model(image), wanted, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("depth", [18, 50])
def test_weights_of_torchvision_have_their_places(depth: int, tmp_path: Path) -> None:
    model = netlang.compile(FOLDER / "resnet.net", "reference", arguments={"depth": depth, "width": 2, "size": 32})
    ours = dict(model.init(seed=1).parameters)
    rng = np.random.default_rng(0)
    values = {_theirs(name, depth): rng.normal(size=array.shape).astype(np.float32) for name, array in ours.items()}
    assert len(values) == len(ours)
    counters = {f"{name[:-5]}.num_batches_tracked": np.zeros(()) for name in values if ".bn" in name and "bias" in name}
    arrays = {name: (dtype_name(array.dtype), array) for name, array in {**values, **counters}.items()}
    write_tensors(tmp_path / "w", arrays, {})
    report = model.load_weights(tmp_path / "w", map=FOLDER / f"torchvision{depth}.map")
    assert not report.lacking and not report.idle and set(report.left) == set(counters)
    for name, array in model.parameters.items():
        assert np.array_equal(array, values[_theirs(name, depth)]), name


def _theirs(name: str, depth: int) -> str:
    """What torchvision calls a parameter of resnet.net."""
    layer, *parts, last = name.split(".")
    if layer == "dense1":
        return f"fc.{last}"
    if layer == "unit1":
        return f"{'conv1' if parts == ['conv1'] else 'bn1'}.{last}"
    number = int(layer.lstrip("basicotlenk"))
    counts = [2, 2, 2, 2] if depth == 18 else [3, 4, 6, 3]
    stage = next(s for s in range(4) if number <= sum(counts[: s + 1]))
    place = f"layer{stage + 1}.{number - 1 - sum(counts[:stage])}"
    if parts[0] == "shortcut1":
        return f"{place}.downsample.{0 if parts[-1] == 'conv1' else 1}.{last}"
    return f"{place}.{'conv' if parts[-1] == 'conv1' else 'bn'}{parts[0][4:]}.{last}"


def _in_torch(torch: Any, p: Mapping[str, Any], image: Any, depth: int) -> Any:
    """torchvision's geometry, over parameters of our names."""
    f = torch.nn.functional

    def unit(name: str, x: Any, stride: int = 1) -> Any:
        weight, norm = p[f"{name}.conv1.weight"], f"{name}.batchnorm1"
        y = f.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        statistics = (p[f"{norm}.running_mean"], p[f"{norm}.running_var"])
        return f.batch_norm(y, *statistics, p[f"{norm}.weight"], p[f"{norm}.bias"])

    def block(name: str, x: Any, stride: int) -> Any:
        kind, count = ("basic", 2) if depth < 50 else ("bottleneck", 3)
        strided, h = (1 if kind == "basic" else 2), x
        for j in range(1, count + 1):
            h = unit(f"{kind}{name}.unit{j}", h, stride if j == strided else 1)
            h = h.relu() if j < count else h
        short = f"{kind}{name}.shortcut1.unit1"
        return (h + (unit(short, x, stride) if f"{short}.conv1.weight" in p else x)).relu()

    return _network(torch, p, image, [2, 2, 2, 2] if depth == 18 else [3, 4, 6, 3], unit, block)


def _network(
    torch: Any, p: Mapping[str, Any], image: Any, counts: list[int], unit: Callable[..., Any], block: Callable[..., Any]
) -> Any:
    h = torch.nn.functional.max_pool2d(unit("unit1", image, 2).relu(), 3, 2, 1)
    number = 0
    for stage, count in enumerate(counts):
        for i in range(count):
            number += 1
            h = block(str(number), h, 2 if i == 0 and stage > 0 else 1)
    h = h.mean((2, 3))
    return (h @ p["dense1.weight"].T + p["dense1.bias"]).softmax(1).numpy()
