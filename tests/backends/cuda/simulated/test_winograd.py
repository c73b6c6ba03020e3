"""Winograd's convolution in the simulator against the reference: geometries, epilogues, pools, NaN, rounds; when it is
chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netlang.backends.base import Array, Options
from netlang.backends.common.steps import evaluated
from netlang.backends.cuda import Cuda
from netlang.backends.cuda.executable import Executable
from netlang.backends.cuda.kernels import winograd_plan
from netlang.backends.cuda.kernels.winograd_plan import WinogradPlan
from netlang.backends.cuda.simulator import SimulationError
from netlang.backends.cuda.simulator.device import TARGET, Simulator
from netlang.backends.cuda.tiles import winograd_input, winograd_output
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse
from tests.backends.compared import assert_same

Values = Mapping[str, Value]
Make = Callable[[Builder, Values], Mapping[str, Value]]
SAME: dict[str, Any] = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1)}
TOLERANCE = 5e-5
without_tiles = pytest.mark.usefixtures("plain_products")
KERNELS = ["winograd_weights", "winograd_input", "gemm", "winograd_output"]


@pytest.fixture(params=[2, 4], ids=["F(2, 3)", "F(4, 3)"], autouse=True)
def force(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """This transform wherever it is possible, whatever the model of costs says."""
    monkeypatch.setattr(winograd_plan, "SIZES", (request.param,))
    monkeypatch.setattr(WinogradPlan, "seconds", lambda *_: 0.0)
    m: int = request.param
    return m


def normal(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def graph_of(make: Make, arrays: Mapping[str, Array]) -> Graph:
    b = Builder()
    inputs = {name: b.input(name, TensorType(DType.of(a.dtype), a.shape)) for name, a in arrays.items()}
    return Graph("g", inputs=tuple(inputs.values()), outputs=tuple(make(b, inputs).items()))


def compiled(make: Make, arrays: Mapping[str, Array]) -> Executable:
    return Cuda(device=Simulator(TARGET)).compile(fuse.run(graph_of(make, arrays)))


def kernels(made: Executable) -> list[str]:
    """What they are called."""
    return [step.kernel.key.split(":")[0] for step in (*made.prologue, *made.steps)]


def check(make: Make, arrays: Mapping[str, Array]) -> Executable:
    """Compare with the reference; what was run."""
    made = compiled(make, arrays)
    assert kernels(made) == KERNELS
    assert_same(made.run(arrays, {}), Reference().compile(graph_of(make, arrays)).run(arrays, {}), TOLERANCE)
    return made


def conv(b: Builder, v: Values, **attrs: Any) -> Value:
    return b.op("conv", v["x"], v["w"], **{**SAME, **attrs})


@st.composite
def geometries(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of x and w and attributes for which a window fits."""
    channels, out = draw(st.sampled_from([1, 3, 9])), draw(st.sampled_from([1, 5]))
    pad = tuple(draw(st.tuples(st.integers(0, 3), st.integers(0, 3))) for _ in range(2))
    size = [max(1, 3 - sum(p) + draw(st.integers(0, 5))) for p in pad]
    return (draw(st.sampled_from([1, 2])), channels, *size), (out, channels, 3, 3), {"pad": pad, "flip": draw(FLIPS)}


FLIPS = st.booleans()


@without_tiles
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=geometries())
def test_any_geometry(case: Any) -> None:
    x, w, attrs = case
    check(lambda b, v: {"y": conv(b, v, **attrs)}, {"x": normal(0, *x), "w": normal(1, *w)})


def test_products_by_tiles(force: int) -> None:
    if force == 2:
        check(lambda b, v: {"y": conv(b, v)}, {"x": normal(0, 2, 3, 3, 4), "w": normal(1, 5, 3, 3, 3)})


@without_tiles
@pytest.mark.parametrize("pad", [(0, 0), (1, 1), (2, 0)])
def test_data_gradient(pad: tuple[int, int]) -> None:
    height, width = (n - sum(pad) + 2 for n in (5, 8))

    def make(b: Builder, v: Values) -> Values:
        dx = b.op("conv_data_grad", v["dy"], v["w"], **{**SAME, "pad": (pad, pad)}, size=(height, width))
        return {"dx": b.op("where", b.op("gt", v["x"], b.scalar(0, dx)), dx, b.scalar(0, dx))}

    arrays = {"dy": normal(0, 2, 7, 5, 8), "w": normal(1, 7, 3, 3, 3), "x": normal(2, 2, 3, height, width)}
    check(make, arrays)


@without_tiles
@pytest.mark.parametrize("size", [(4, 8), (3, 5)], ids=["rows of patches", "odd"])
def test_scale_shift_residual_activation(size: tuple[int, int]) -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.add(b.mul(conv(b, v), b.along(v["scale"], 4, 1)), b.along(v["shift"], 4, 1))
        return {"y": b.op("relu", b.add(v["residual"], b.scale(y, 0.5)))}

    arrays = {"x": normal(0, 2, 3, *size), "w": normal(1, 5, 3, 3, 3), "residual": normal(4, 2, 5, *size)}
    check(make, arrays | {"scale": normal(2, 5), "shift": normal(3, 5)})


@without_tiles
@pytest.mark.parametrize("size", [(4, 4), (5, 6)], ids=["rows of patches", "odd"])
def test_mask_of_bits(size: tuple[int, int]) -> None:
    def make(b: Builder, v: Values) -> Values:
        y = conv(b, v)
        return {"y": b.op("where", v["bits"], y, b.scalar(0, y))}

    check(make, {"x": normal(0, 2, 4, *size), "w": normal(1, 9, 4, 3, 3), "bits": normal(2, 2, 9, *size) > 0})


POOLS: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "2x2": ((6, 8), {"kernel": (2, 2)}),
    "2x2 with rows and columns left over": ((7, 5), {"kernel": (2, 2)}),
    "2x1": ((5, 4), {"kernel": (2, 1)}),
    "1x2 of rows beyond the map": ((5, 6), {"kernel": (1, 2)}),
}


def pooled(op: str, attrs: Mapping[str, Any]) -> Make:
    """conv, residual, relu, a pool and what follows it, with all results of the pool."""
    dilation = {"dilation": (1, 1)} if op.startswith("max") else {}

    def make(b: Builder, v: Values) -> Values:
        y = b.op("relu", b.add(conv(b, v), v["residual"]))
        node = b.node(op, y, **{"pad": ((0, 0), (0, 0)), "stride": attrs["kernel"], **dilation, **attrs})
        y = b.op("relu", b.add(node.results[0], b.along(v["bias"], 4, 1)))
        return {"y": y, **{f"y{i}": result for i, result in enumerate(node.results[1:])}}

    return make


def pool_arrays(size: tuple[int, int]) -> dict[str, Array]:
    return {
        "x": normal(0, 2, 3, *size),
        "w": normal(1, 5, 3, 3, 3),
        "bias": normal(2, 5),
        "residual": normal(3, 2, 5, *size),
    }


@without_tiles
@pytest.mark.parametrize("op", ["max_pool", "max_pool_switch", "avg_pool", "sum_pool"])
@pytest.mark.parametrize("name", POOLS)
def test_pools_inside_of_patches(name: str, op: str) -> None:
    size, attrs = POOLS[name]
    check(pooled(op, attrs), pool_arrays(size))


@without_tiles
def test_a_pool_of_whole_patches(force: int) -> None:
    if force == 4:
        check(pooled("max_pool_switch", {"kernel": (4, 4)}), pool_arrays((9, 8)))


@pytest.mark.parametrize(
    "attrs",
    [
        {"kernel": (3, 3), "stride": (2, 2)},
        {"kernel": (3, 3)},
        {"kernel": (2, 2), "pad": ((1, 1), (1, 1))},
        {"kernel": (2, 2), "ceil_mode": True},
    ],
    ids=["overlapping", "in two patches", "padded", "cut off"],
)
def test_other_pools_go_elsewhere(attrs: dict[str, Any]) -> None:
    assert "winograd_input" not in kernels(compiled(pooled("max_pool", attrs), pool_arrays((5, 5))))


@pytest.mark.parametrize(
    ("kernel", "attrs"),
    [((3, 3), {"stride": (2, 2)}), ((3, 3), {"dilation": (1, 2)}), ((3, 3), {"groups": 2}), ((3, 2), {}), ((5, 5), {})],
)
def test_other_convolutions_go_elsewhere(kernel: tuple[int, int], attrs: dict[str, Any]) -> None:
    arrays = {"x": normal(0, 1, 4, 6, 6), "w": normal(1, 4, 4 // attrs.get("groups", 1), *kernel)}
    assert "winograd_input" not in kernels(compiled(lambda b, v: {"y": conv(b, v, **attrs)}, arrays))


# ---- what is not finite


@without_tiles
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_where_it_belongs(value: float) -> None:
    arrays = {"x": normal(0, 2, 3, 7, 6), "w": normal(1, 4, 3, 3, 3)}
    arrays["x"][1, 2, 3, 4], arrays["x"][0, 0, 0, 0] = value, value
    make = lambda b, v: {"y": conv(b, v)}  # noqa: E731
    got = compiled(make, arrays).run(arrays, {})
    wanted = Reference().compile(graph_of(make, arrays)).run(arrays, {})["y"]
    assert 0 < np.isfinite(wanted).sum() < wanted.size
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(got["y"][~finite], wanted[~finite])
    assert np.abs(got["y"][finite] - wanted[finite]).max() <= TOLERANCE * np.abs(wanted[finite]).max()


@without_tiles
def test_numbers_that_overflow_in_the_transform_alone() -> None:
    arrays = {"x": normal(0, 1, 2, 6, 6), "w": normal(1, 3, 2, 3, 3) * np.float32(0.01)}
    arrays["x"][0, 0] = np.where(normal(2, 6, 6) > 0, 3e38, -3e38)
    check(lambda b, v: {"y": conv(b, v)}, arrays)


# ---- images


@without_tiles
@pytest.mark.parametrize(("images", "rounds"), [(3, []), (5, [5]), (6, [2])])
def test_rounds(images: int, rounds: list[int], force: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three images at most, as many in each."""
    monkeypatch.setattr(winograd_plan, "ROUND_BYTES", {2: 7000, 4: 16000}[force])
    arrays = pool_arrays((4, 4))
    arrays |= {"x": normal(0, images, 3, 4, 4), "residual": normal(3, images, 5, 4, 4)}
    made = check(pooled("max_pool_switch", {"kernel": (2, 2)}), arrays)
    assert [evaluated(loop.rounds, {}) for loop in made.steps[-1].loops] == rounds


@without_tiles
def test_an_open_number_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd_plan, "ROUND_BYTES", 16000)
    b = Builder()
    x = b.input("x", TensorType(DType.F32, (sym("N"), 3, 5, 4)))
    w = b.param("w", TensorType(DType.F32, (5, 3, 3, 3)), "weight", ("constant", 0.0))
    graph = Graph("g", inputs=(x,), params=(w,), outputs=(("y", conv(b, {"x": x, "w": w})),))
    made = Cuda(device=Simulator(TARGET)).compile(graph)
    assert "winograd_weights" in [step.kernel.key.split(":")[0] for step in made.prologue]
    weights = {"w": normal(1, 5, 3, 3, 3)}
    for images in (1, 5, 4, 0):
        feed = {"x": normal(images, images, 3, 5, 4)}
        assert_same(made.run(feed, weights), Reference().compile(graph).run(feed, weights), TOLERANCE)


@without_tiles
def test_parts_of_a_concatenation_are_written_and_read_where_they_lie() -> None:
    def make(b: Builder, v: Values) -> Values:
        whole = b.op("concat", conv(b, v), b.op("conv", v["x"], v["u"], **SAME), axis=1)
        return {"y": b.op("conv", whole, v["t"], **SAME), "whole": whole}

    arrays = {"x": normal(0, 2, 2, 5, 3), "w": normal(1, 3, 2, 3, 3), "u": normal(2, 4, 2, 3, 3)}
    arrays["t"] = normal(3, 2, 7, 3, 3)
    made = compiled(make, arrays)
    assert sorted(kernels(made)) == sorted(3 * KERNELS)
    assert_same(made.run(arrays, {}), Reference().compile(graph_of(make, arrays)).run(arrays, {}), TOLERANCE)


# ---- when it is taken


def test_switches() -> None:
    arrays = {"x": normal(0, 1, 4, 6, 6), "w": normal(1, 4, 4, 3, 3)}
    graph = graph_of(lambda b, v: {"y": conv(b, v)}, arrays)

    def used(**options: Any) -> bool:
        made = Cuda(Options(**options), Simulator(TARGET)).compile(graph)
        return any(step.kernel.key.startswith("winograd") for step in made.steps)

    assert used()
    assert not used(exact=True)
    assert not any(used(precision=precision) for precision in ("tf32", "bf16", "f16"))


# ---- mistakes that must not go unnoticed

MISTAKES = {
    "a row below the image": (winograd_input, "< u32(height)", "<= u32(height)"),
    "a column beside the image": (winograd_input, "< u32(width)", "<= u32(width)"),
    "a patch too many": (winograd_input, "patch < patches", "patch <= patches"),
    "a row of the result too many": (winograd_output, "< map_height", "<= map_height"),
    "a channel too many": (winograd_output, "channel < out_channels", "channel <= out_channels"),
    "places that are too close": (winograd_output, "i64(pitch) * i64(4)", "i64(patches) * i64(4)"),
}


@without_tiles
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, right, wrong = MISTAKES[name]
    source = module._source

    def mistaken(*args: Any) -> str:
        text = source(*args)
        assert right in text
        return text.replace(right, wrong)

    monkeypatch.setattr(module, "_source", mistaken)
    arrays = {"x": normal(0, 1, 3, 5, 9), "w": normal(1, 5, 3, 3, 3)}
    with pytest.raises((AssertionError, SimulationError)):
        check(lambda b, v: {"y": conv(b, v)}, arrays)
