"""Winograd's convolution against the reference: geometries, epilogues, pools, layouts, NaN; when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netlang.backends.base import Array, Options
from netlang.backends.common.conv_problem import ConvProblem
from netlang.backends.common.winograd_choice import ERROR
from netlang.backends.cpu import Cpu, layout
from netlang.backends.cpu.compile import compile_kernel
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.kernels import winograd
from netlang.backends.cpu.kernels.winograd_choice import Circumstances, choose
from netlang.backends.cpu.kernels.winograd_cost import best_cut, work_of
from netlang.backends.cpu.profile import kernel_text
from netlang.backends.cpu.target import host
from netlang.backends.cpu.tiles.shapes import most_pixels
from netlang.backends.cpu.tiles.winograd_kernel import emit_winograd
from netlang.backends.cpu.tiles.winograd_products import UNROLL
from netlang.backends.cpu.tiles.winograd_table import VECTORS, WinogradStructure
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from tests.backends.cpu.assembly import inner_loops
from tests.backends.cpu.tiled import (
    ALL_TARGETS,
    NARROW,
    TARGETS,
    assert_close,
    check,
    compiled,
    graph_of,
    kernels_of,
    normal,
)

Values = Mapping[str, Value]
Force = Callable[[int], None]
BOUNDED = settings(
    max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SAME = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1)}
POOL = {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
KERNEL = "winograd:"
TOLERANCE = 5e-5


@pytest.fixture
def force(monkeypatch: pytest.MonkeyPatch) -> Force:
    """Use F(m x m, 3 x 3) wherever it is possible, whatever the model of costs says."""
    return lambda m: monkeypatch.setattr(winograd, "choose", lambda *_, **__: m)


def conv(b: Builder, v: Values, **attrs: Any) -> Value:
    """A convolution whose map is as large as x."""
    pad = v["w"].type.concrete({})[2] // 2
    return b.op("conv", v["x"], v["w"], **{**SAME, "pad": ((pad, pad),) * 2, **attrs})


TRANSFORMS = [(2, 3), (4, 3), (2, 5)]
"""(m, taps)"""


@st.composite
def geometries(draw: Any, taps: int) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of x and w and attributes for which a window fits."""
    channels, out = draw(st.sampled_from([1, 3, 17, 32, 130])), draw(st.sampled_from([9, 17, 33, 64]))
    pad = tuple(draw(st.tuples(st.integers(0, 3), st.integers(0, 3))) for _ in range(2))
    size = [max(1, taps - sum(p) + draw(st.sampled_from([0, 1, 2, 3, 4, 9, 20]))) for p in pad]
    batch = draw(st.sampled_from([1, 3]))
    return (batch, channels, *size), (out, channels, taps, taps), {"pad": pad, "flip": draw(st.booleans())}


@BOUNDED
@given(
    st.sampled_from(TRANSFORMS).flatmap(lambda f: st.tuples(st.just(f[0]), geometries(f[1]))),
    st.sampled_from(ALL_TARGETS),
)
def test_any_geometry(force: Force, case: Any, target: Any) -> None:
    m, (x, w, attrs) = case
    force(m)
    arrays = {"x": normal(0, *x), "w": normal(1, *w)}
    check(lambda b, v: {"y": conv(b, v, **attrs)}, arrays, target=target, tiled=KERNEL, tolerance=TOLERANCE)


@pytest.mark.parametrize(("m", "taps"), TRANSFORMS)
@pytest.mark.parametrize("shape", [(1, 40, 1, 1), (3, 17, 9, 14), (1, 3, 223, 225), (2, 150, 15, 7)])
def test_maps_of_all_sizes(force: Force, m: int, taps: int, shape: tuple[int, ...]) -> None:
    force(m)
    arrays = {"x": normal(0, *shape), "w": normal(1, 40, shape[1], taps, taps)}
    check(lambda b, v: {"y": conv(b, v)}, arrays, tiled=KERNEL, tolerance=TOLERANCE)


@pytest.mark.parametrize(("m", "taps"), TRANSFORMS)
@pytest.mark.parametrize("pad", [(0, 0), (1, 1), (2, 0), (3, 3)])
def test_data_gradient(force: Force, m: int, taps: int, pad: tuple[int, int]) -> None:
    force(m)
    height, width = (n - sum(pad) + taps - 1 for n in (11, 18))

    def make(b: Builder, v: Values) -> Values:
        return {"dx": b.op("conv_data_grad", v["dy"], v["w"], **{**SAME, "pad": (pad, pad)}, size=(height, width))}

    arrays = {"dy": normal(0, 2, 17, 11, 18), "w": normal(1, 17, 24, taps, taps)}
    check(make, arrays, tiled=KERNEL, tolerance=TOLERANCE)


@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
@pytest.mark.parametrize(("m", "taps"), TRANSFORMS)
def test_scale_shift_residual(force: Force, target: Any, m: int, taps: int) -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.add(b.mul(conv(b, v), b.along(v["scale"], 4, 1)), b.along(v["shift"], 4, 1))
        return {"y": b.op("relu", b.add(v["residual"], y))}

    force(m)
    arrays = {"x": normal(0, 3, 18, 8, 5), "w": normal(1, 20, 18, taps, taps), "residual": normal(4, 3, 20, 8, 5)}
    arrays |= {"scale": normal(2, 20), "shift": normal(3, 20)}
    check(make, arrays, target=target, tiled=KERNEL, tolerance=TOLERANCE)


def test_mask_of_bits(force: Force) -> None:
    def make(b: Builder, v: Values) -> Values:
        y = conv(b, v)
        return {"y": b.op("where", v["bits"], y, b.scalar(0, y))}

    force(4)
    arrays = {"x": normal(0, 2, 4, 6, 6), "w": normal(1, 17, 4, 3, 3), "bits": normal(2, 2, 17, 6, 6) > 0}
    check(make, arrays, tiled=KERNEL, tolerance=TOLERANCE)


@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
@pytest.mark.parametrize(("m", "taps"), TRANSFORMS)
def test_pool(force: Force, target: Any, m: int, taps: int) -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.op("max_pool", b.op("tanh", conv(b, v)), **POOL)
        return {"y": b.op("relu", b.add(y, b.along(v["bias"], 4, 1)))}

    force(m)
    x = normal(0, 2, 5, 15, 13)
    x[1, 2, 4, 4], x[0, 1, 14, 12] = np.nan, np.nan
    arrays = {"x": x, "w": normal(1, 18, 5, taps, taps), "bias": normal(2, 18)}
    check(make, arrays, target=target, tiled=KERNEL, tolerance=TOLERANCE)


@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize(
    ("op", "pool"),
    [
        ("max_pool", {"kernel": (3, 3), "dilation": (1, 1)}),
        ("max_pool", {"kernel": (3, 3), "pad": ((1, 1), (1, 1)), "stride": (1, 1), "dilation": (1, 1)}),
        ("max_pool", {"kernel": (2, 5), "pad": ((1, 0), (0, 2)), "dilation": (1, 1), "ceil_mode": True}),
        ("avg_pool", {"kernel": (3, 2), "pad": ((1, 1), (1, 0))}),
    ],
)
def test_pools_apart(force: Force, target: Any, m: int, op: str, pool: dict[str, Any]) -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.op("tanh", b.add(conv(b, v), b.add(v["residual"], b.along(v["shift"], 4, 1))))
        y = b.op(op, y, **{"stride": (2, 2), "pad": ((0, 0), (0, 0)), **pool})
        return {"y": b.op("relu", b.add(y, b.along(v["bias"], 4, 1)))}

    force(m)
    x = normal(0, 2, 5, 15, 13)
    x[1, 2, 4, 4], x[0, 1, 14, 12] = np.nan, np.nan
    arrays = {"x": x, "w": normal(1, 18, 5, 3, 3), "bias": normal(2, 18), "shift": normal(3, 18)}
    arrays["residual"] = normal(4, 2, 18, 15, 13)
    check(make, arrays, target=target, tiled=KERNEL, tolerance=TOLERANCE)


@pytest.mark.parametrize("kernel", [(2, 2), (3, 3)])
def test_switches(force: Force, kernel: tuple[int, int]) -> None:
    """Small whole numbers: F(2, 3) rounds nothing, and all ties are ties."""

    def make(b: Builder, v: Values) -> Values:
        y, switch = b.node("max_pool_switch", conv(b, v), **{**POOL, "kernel": kernel}).results
        return {"y": b.op("relu", b.add(y, b.along(v["bias"], 4, 1))), "switch": switch}

    force(2)
    x = np.round(normal(0, 2, 2, 9, 11))
    x[1, 0, 4, 4] = np.nan
    arrays = {"x": x, "w": np.round(normal(1, 17, 2, 3, 3)), "bias": normal(2, 17)}
    for target in TARGETS:
        check(make, arrays, target=target, tiled=KERNEL, tolerance=TOLERANCE)


@pytest.mark.parametrize(("m", "taps"), TRANSFORMS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_only_places_that_read_it_see_what_is_not_finite(force: Force, m: int, taps: int, value: float) -> None:
    force(m)
    x, w = normal(0, 2, 3, 9, 10), normal(1, 17, 3, taps, taps)
    x[0, 1, 0, 0] = x[0, 2, 5, 6] = x[1, 0, 8, 9] = value
    graph = graph_of(lambda b, v: {"y": conv(b, v)}, {"x": x, "w": w})
    got = compiled(graph, host(), 1).run({"x": x, "w": w}, {})["y"]
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = Reference().compile(graph).run({"x": x, "w": w}, {})["y"]
    np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(wanted))
    ordinary = np.abs(wanted) < 1e3
    np.testing.assert_allclose(got[ordinary], wanted[ordinary], atol=1e-3)


def blocked_chain(arrays: Mapping[str, Array]) -> Graph:
    """Two convolutions, the second with a residual: everything between them is in blocks."""

    def make(b: Builder, v: Values) -> Values:
        first = b.op("relu", conv(b, {"x": v["x"], "w": v["w1"]}))
        second = b.op("relu", b.add(conv(b, {"x": first, "w": v["w2"]}), first))
        pooled = b.op("max_pool", conv(b, {"x": second, "w": v["w2"]}), **POOL)
        return {"y": conv(b, {"x": pooled, "w": v["w2"]})}

    return layout.run(graph_of(make, arrays), host())


@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("channels", [32, 37])
def test_blocked_layouts(force: Force, m: int, channels: int) -> None:
    force(m)
    w2 = normal(2, channels, channels, 3, 3) / 20
    arrays = {"x": normal(0, 2, 3, 18, 21), "w1": normal(1, channels, 3, 3, 3), "w2": w2}
    graph = blocked_chain(arrays)
    assert any(v.type.layout for n in graph.nodes for v in n.results)
    wanted = Reference().compile(graph).run(arrays, {})["y"]
    one, two = (compiled(graph, host(), threads).run(arrays, {})["y"] for threads in (1, 2))
    assert_close(one, wanted, "y", TOLERANCE)
    assert np.array_equal(one, two)


def test_any_batch(force: Force) -> None:
    force(4)
    b = Builder()
    x = b.input("x", TensorType(DType.F32, (sym("N"), 20, 12, 12)))
    w = b.param("w", TensorType(DType.F32, (40, 20, 3, 3)), "weight", ("constant", 0.0))
    graph = Graph("g", inputs=(x,), params=(w,), outputs=(("y", conv(b, {"x": x, "w": w})),))
    executable = compiled(graph, host(), 2)
    weights = {"w": normal(1, 40, 20, 3, 3)}
    assert len(executable.prologue) == 1
    for images in (1, 3, 16):
        given = {"x": normal(0, images, 20, 12, 12)}
        wanted = Reference().compile(graph).run(given, weights)["y"]
        assert_close(executable.run(given, weights)["y"], wanted, "y", TOLERANCE)


def problem(channels: int, out: int, size: int, taps: int = 3) -> ConvProblem:
    map_size, pad = (size, size), (taps // 2, taps // 2)
    return ConvProblem(
        channels, out, 1, map_size, map_size, (taps, taps), (1, 1), (1, 1), pad, 0, (0, 0, 0, 0, 0), map_size
    )


def test_choice() -> None:
    def chosen(channels: int, out: int, size: int, images: int = 1, taps: int = 3) -> int:
        return choose(problem(channels, out, size, taps), Circumstances((size, size), images, 2), host())

    assert chosen(64, 64, 224) == chosen(256, 256, 56) == chosen(256, 256, 28) == 4
    assert chosen(512, 512, 7, images=16) == 4
    assert chosen(1, 8, 28) == chosen(64, 64, 1) == 0
    assert chosen(4000, 512, 28) == 2, "too many channels for the rounding of F(4, 3)"
    assert chosen(64, 192, 27, taps=5) == 2
    assert chosen(4000, 512, 28, taps=5) == 0, "too many channels for the rounding of F(2, 5)"


@pytest.mark.parametrize("threads", [2, 4])
def test_few_output_channels_are_work_for_all_threads(threads: int) -> None:
    """One group of output channels: the patches are shared."""
    work = work_of(problem(128, 32, 14), (14, 14), 1, host(), 2, pooled=False)
    found, alone = best_cut(work, 28, threads), best_cut(work, 28, 1)
    assert -(-work.patches // found.group) * found.chunks >= threads
    assert found.cost < 1.3 * alone.cost / threads


def test_exact_switch(force: Force, monkeypatch: pytest.MonkeyPatch) -> None:
    force(4)
    arrays = {"x": normal(0, 1, 64, 56, 56), "w": normal(1, 64, 64, 3, 3)}
    graph = graph_of(lambda b, v: {"y": conv(b, v)}, arrays)
    assert KERNEL in " ".join(kernels_of(graph, host()))
    monkeypatch.setenv("NETLANG_EXACT", "1")
    assert KERNEL not in " ".join(kernels_of(graph, host()))


@pytest.mark.parametrize("attrs", [{"stride": (2, 2)}, {"dilation": (1, 2)}, {"groups": 2}])
def test_other_convolutions_go_elsewhere(force: Force, attrs: dict[str, Any]) -> None:
    force(4)
    arrays = {"x": normal(0, 1, 64, 16, 16), "w": normal(1, 64, 64 // attrs.get("groups", 1), 3, 3)}
    graph = graph_of(lambda b, v: {"y": conv(b, v, **attrs)}, arrays)
    assert KERNEL not in " ".join(kernels_of(graph, NARROW))


@pytest.mark.parametrize(("m", "taps", "channels"), [(2, 3, 512), (4, 3, 64), (4, 3, 512), (2, 5, 64), (2, 5, 512)])
def test_rounding(force: Force, m: int, taps: int, channels: int) -> None:
    """What the choice counts on: inputs after a ReLU, weights as they are drawn."""
    force(m)
    x, pad = np.maximum(normal(0, 1, channels, 12, 12), 0), (taps // 2, taps // 2)
    w = normal(1, 32, channels, taps, taps) * np.float32(np.sqrt(2 / (taps * taps * channels)))
    graph = graph_of(lambda b, v: {"y": conv(b, v)}, {"x": x, "w": w})
    got = compiled(graph, host(), 1).run({"x": x, "w": w}, {})["y"]
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), pad, pad))
    wide = np.lib.stride_tricks.sliding_window_view(padded, (taps, taps), (2, 3))
    wanted = np.einsum("nchwij,ocij->nohw", wide, w.astype(np.float64), optimize=True)
    assert float(np.abs(got - wanted).max() / np.abs(wanted).max()) < ERROR[m, taps] * np.sqrt(channels)


@pytest.mark.skipif(host().arch not in ("x86_64", "amd64"), reason="reads x86 assembly")
@pytest.mark.parametrize(("m", "taps"), TRANSFORMS)
def test_products_stay_in_registers(m: int, taps: int) -> None:
    """The transforms of a patch have more values than there are registers; the products may not move any."""
    most = most_pixels(host(), VECTORS)
    structure = WinogradStructure(host().lanes(4), m, taps, most, x_blocked=True, out_blocked=True)
    compiled_kernel: Any = compile_kernel(
        emitted(structure.key, partial(emit_winograd, structure)), f"spills_winograd_{m}_{taps}"
    )
    sums = VECTORS * structure.patches
    products = [loop for loop in inner_loops(compiled_kernel.assembly, host()) if loop.packed >= UNROLL * sums]
    assert products, "the loop of the products was not found"
    assert not [loop for loop in products if loop.spills], products


def test_kernels_are_chosen_for_the_batch_that_is_expected() -> None:
    """A last stage's map: one image is four patches of F(4, 3), too few to pay for its larger weights."""
    b = Builder()
    x = b.input("x", TensorType(DType.F32, (sym("N"), 512, 7, 7)))
    w = b.param("w", TensorType(DType.F32, (512, 512, 3, 3)), "weight", ("constant", 0.0))
    y = b.op("conv", x, w, stride=(1, 1), pad=((1, 1), (1, 1)), dilation=(1, 1), groups=1, flip=False)
    graph = Graph("g", (x,), (w,), (("y", y),))
    texts = []
    for batch in (None, 16):
        steps = Cpu(Options(batch=batch)).compile(graph, threads=2).steps
        texts.append(" ".join(kernel_text(step.kernel.key) for step in steps))
    assert "F(2, 3)" in texts[0]
    assert "F(4, 3)" in texts[1]
