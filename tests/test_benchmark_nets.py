"""The networks of the benchmarks: published parameter counts, output shapes, and lengths one can read in one screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlang.frontend import load
from netlang.ir.types import shape_text

NETS = Path(__file__).parent.parent / "benchmarks" / "nets"

# Parameters as torchvision documents them for the same geometry; lines as the language promises.
PUBLISHED = {
    "alexnet": (61_100_840, 25),
    "vgg16": (138_357_544, 25),
    "googlenet": (6_624_904, 60),
    "resnet50": (25_557_032, 40),
    "densenet121": (7_978_856, 40),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_shapes_and_length(name: str) -> None:
    parameters, lines = PUBLISHED[name]
    net = load(NETS / f"{name}.net").net
    weights = [p.type.size for p in net.params if p.node.attrs["role"] == "weight"]
    assert sum(s for s in weights if isinstance(s, int)) == parameters
    assert shape_text(net.output("probs").shape) == "[N, 1000]"
    assert len((NETS / f"{name}.net").read_text().splitlines()) <= lines
