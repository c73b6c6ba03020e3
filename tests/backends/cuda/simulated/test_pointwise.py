"""Convolutions with kernels of one element, in the simulator: exact on small integers, in chunks where planes allow."""

from __future__ import annotations

from typing import Any

import pytest

from netlang.backends.cuda.kernels import conv_ways
from netlang.backends.cuda.simulator import SimulationError
from netlang.backends.cuda.tiles import conv_kernel
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from tests.backends.cuda.simulated.convolutions import check as against_reference
from tests.backends.cuda.simulated.convolutions import geometry
from tests.backends.cuda.simulated.convolutions import problem as of_convolution
from tests.backends.cuda.simulated.test_conv import PRECISIONS, VALID, Values, check, integers

LINES = ((2, 6, 6, 6), (19, 6, 1, 1))
"""x and w: two images in one tile, the second in two; more channels than rows of a tile, fewer than a stage."""
STAGES = ((1, 64, 4, 5), (3, 64, 1, 1))


def pointwise(b: Builder, v: Values) -> Value:
    return b.op("conv", v["x"], v["w"], **VALID)


def arrays(x: tuple[int, ...], w: tuple[int, ...]) -> dict[str, Any]:
    return {"x": integers(0, *x), "w": integers(1, *w)}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shapes", [LINES, STAGES], ids=["lines", "whole stages"])
def test_lines(shapes: Any, precision: str) -> None:
    (key,) = check(lambda b, v: {"y": pointwise(b, v)}, arrays(*shapes), precision)
    assert key.split(":")[1].endswith("n")


@pytest.mark.parametrize("precision", ["float32", "f16"])
def test_without_asynchronous_copies(precision: str) -> None:
    (key,) = check(lambda b, v: {"y": pointwise(b, v)}, arrays(*LINES), precision, arch="75")
    assert "2r" in key and key.split(":")[1].endswith("n")


def test_groups_and_what_follows() -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.op("conv", v["x"], v["w"], **{**VALID, "groups": 2})
        return {"y": b.op("relu", b.add(b.add(y, b.along(v["bias"], 4, 1)), v["residual"]))}

    given = arrays((2, 8, 2, 4), (34, 4, 1, 1)) | {"bias": integers(2, 34), "residual": integers(3, 2, 34, 2, 4)}
    (key,) = check(make, given)
    assert key.split(":")[1].endswith("n")


@pytest.mark.parametrize("shapes", [LINES, ((1, 70, 2, 2), (5, 70, 1, 1))], ids=["one stage", "split"])
@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_sums_in_parts(shapes: Any, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv_ways.Costs, "seconds", lambda self, plan, splits, sizes: 1 / splits)
    keys = check(lambda b, v: {"y": pointwise(b, v)}, arrays(*shapes), precision)
    assert len(keys) == (1 if shapes is LINES else 2)


@pytest.mark.parametrize("channels", [6, 8, 32])
def test_rows_where_planes_are_no_chunks(channels: int) -> None:
    (key,) = check(lambda b, v: {"y": pointwise(b, v)}, arrays((2, channels, 3, 5), (5, channels, 1, 1)))
    assert "p" in key.split(":")[2] and not key.split(":")[1].endswith("n")


@pytest.mark.parametrize("channels", [3, 8])
def test_stride(channels: int) -> None:
    attrs = {**VALID, "stride": (2, 3)}
    given = arrays((2, channels, 5, 7), (5, channels, 1, 1))
    (key,) = check(lambda b, v: {"y": b.op("conv", v["x"], v["w"], **attrs)}, given)
    assert "p" in key.split(":")[2]


def test_padding_after_the_last_pixel_is_no_pixel() -> None:
    attrs = {**VALID, "pad": ((0, 1), (0, 0))}
    (key,) = check(lambda b, v: {"y": b.op("conv", v["x"], v["w"], **attrs)}, arrays((1, 4, 3, 4), (2, 4, 1, 1)))
    assert "p" not in key.split(":")[2]


def test_pool_of_the_results() -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.op("relu", pointwise(b, v))
        return {"y": b.op("avg_pool", y, kernel=(2, 2), stride=(2, 2), pad=((0, 0), (0, 0)))}

    (key,) = check(make, arrays((2, 5, 6, 6), (3, 5, 1, 1)))
    assert "TilePool" in key and "p" in key.split(":")[2]


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
def test_products_of_warp_groups(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        conv_ways.Costs, "seconds", lambda self, plan, splits, sizes: splits - plan.structure.tile.groups
    )
    pack, key = check(lambda b, v: {"y": pointwise(b, v)}, arrays((2, 10, 2, 3), (5, 10, 1, 1)), precision, arch="90a")
    assert pack.startswith(f"conv_channels_last:{precision}") and "lp" in key.split(":")[2]


@pytest.mark.parametrize("stride", [1, 2])
def test_gradient_by_the_input(stride: int) -> None:
    attrs = geometry((stride,) * 2, VALID["pad"], (1, 1))
    keys = against_reference(of_convolution("conv_data_grad", (2, 5, 4, 6), (9, 5, 1, 1), attrs), "conv:")
    assert any("p" in key.split(":")[2] for key in keys if key.startswith("conv:"))


MISTAKES = {
    "a channel too many": ("there = i32(words - k)", "there = i32(i32(words - k) + i32(1))"),
    "a pixel too many": ("if m < total else", "if m <= total else"),
    "the image before": ("i64(n) * x_image", "i64(n - 1) * x_image"),
    "a line beside": ("lines4_4x4(sums, u32(at_a ^ chunk)", "lines4_4x4(sums, u32(at_a ^ u32(chunk ^ u32(16)))"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = MISTAKES[name]
    source = conv_kernel._source

    def mistaken(structure: Any) -> str:
        text = source(structure)
        assert right in text
        return text.replace(right, wrong)

    monkeypatch.setattr(conv_kernel, "_source", mistaken)
    given = {name: array + 4 for name, array in arrays((2, 6, 2, 6), (5, 6, 1, 1)).items()}
    with pytest.raises((AssertionError, SimulationError)):
        check(lambda b, v: {"y": pointwise(b, v)}, given)
