"""Winograd's weight gradient against the reference: geometries, parts of the batch, NaN; when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netlang.backends.base import Array
from netlang.backends.common.gradient_problem import GradientProblem
from netlang.backends.cpu.compile import compile_kernel
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.kernels import winograd_weight_grad
from netlang.backends.cpu.kernels.winograd_weight_grad import plan_winograd_gradient
from netlang.backends.cpu.target import host
from netlang.backends.cpu.tiles.winograd_gradient import UNROLL, emit_gradient
from netlang.backends.cpu.tiles.winograd_gradient_table import VECTORS
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from tests.backends.cpu.assembly import inner_loops
from tests.backends.cpu.tiled import TARGETS, check, compiled, graph_of, kernels_of, normal

Values = Mapping[str, Value]
Force = Callable[[], None]
BOUNDED = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KERNEL = "winograd_gradient_parts:"
TOLERANCE = 5e-5


@pytest.fixture
def force(monkeypatch: pytest.MonkeyPatch) -> Force:
    """Use the transform wherever it is possible, whatever the model of costs says."""
    return lambda: monkeypatch.setattr(winograd_weight_grad, "worth_it", lambda *_: True)


def gradient(b: Builder, v: Values, kernel: int = 3, **attrs: Any) -> Values:
    pad = kernel // 2
    same = {"stride": (1, 1), "pad": ((pad, pad), (pad, pad)), "dilation": (1, 1), "groups": 1, "flip": False}
    return {"dw": b.op("conv_weight_grad", v["x"], v["dy"], kernel=(kernel, kernel), **{**same, **attrs})}


@st.composite
def geometries(draw: Any) -> tuple[int, tuple[int, ...], tuple[int, ...], Any]:
    """Kernel, shapes of x and dy, and padding for which a window fits."""
    kernel = draw(st.sampled_from([3, 5]))
    channels, out = draw(st.sampled_from([1, 3, 17, 32])), draw(st.sampled_from([1, 6, 17, 33, 64]))
    pad = tuple(draw(st.tuples(st.integers(0, 3), st.integers(0, 3))) for _ in range(2))
    size = [max(1, kernel - sum(p) + draw(st.sampled_from([0, 1, 2, 3, 4, 9, 20]))) for p in pad]
    tall, wide = (n + sum(p) - kernel + 1 for n, p in zip(size, pad, strict=True))
    batch = draw(st.sampled_from([1, 3, 18]))
    return kernel, (batch, channels, *size), (batch, out, tall, wide), pad


@BOUNDED
@given(geometries(), st.sampled_from(TARGETS))
def test_any_geometry(force: Force, case: Any, target: Any) -> None:
    kernel, x, dy, pad = case
    force()
    arrays = {"x": normal(0, *x), "dy": normal(1, *dy)}
    check(lambda b, v: gradient(b, v, kernel, pad=pad), arrays, target=target, tiled=KERNEL, tolerance=TOLERANCE)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("shape", [(1, 40, 1, 1), (3, 17, 9, 14), (1, 3, 223, 225), (16, 150, 7, 7)])
def test_maps_of_all_sizes(force: Force, kernel: int, shape: tuple[int, ...]) -> None:
    force()
    arrays = {"x": normal(0, *shape), "dy": normal(1, shape[0], 40, *shape[2:])}
    check(lambda b, v: gradient(b, v, kernel), arrays, tiled=KERNEL, tolerance=TOLERANCE)


def test_channels_split_into_tasks() -> None:
    """Sums too large to be kept for several parts of the batch."""
    arrays = {"x": normal(0, 8, 400, 7, 6), "dy": normal(1, 8, 500, 7, 6)}
    check(gradient, arrays, tiled=KERNEL, tolerance=TOLERANCE)


def gradient_of(x: Array, dy: Array) -> Array:
    arrays = {"x": x, "dy": dy}
    graph = graph_of(gradient, arrays)
    assert any(key.startswith(KERNEL) for key in kernels_of(graph, host()))
    result: Array = compiled(graph, host(), 1).run(arrays, {})["dw"]
    return result


def by_definition(x: Array, dy: Array) -> Array:
    """The gradient of a 3x3 kernel with padding 1, in float64: what is not finite meets only what it is multiplied
    with."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = x.shape[2:]
    taps = [[padded[:, :, i : i + height, j : j + width] for j in range(3)] for i in range(3)]
    with np.errstate(invalid="ignore"):
        return np.array([[np.einsum("nchw,nohw->oc", t, dy) for t in row] for row in taps]).transpose(2, 3, 0, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_where_it_belongs(force: Force, value: float) -> None:
    force()
    x, dy = normal(0, 2, 17, 6, 7), normal(1, 2, 18, 6, 7)
    x[1, 4, 0, 0] = value  # a corner: not all taps meet it
    dy[0, 9, 5, 3] = value
    wanted, got = by_definition(x, dy), gradient_of(x, dy)
    assert np.array_equal(np.isnan(got), np.isnan(wanted))
    assert np.array_equal(np.isinf(got), np.isinf(wanted))
    finite = np.isfinite(wanted)
    assert 0 < finite.sum() < finite.size
    assert np.abs(got[finite] - wanted[finite]).max() <= TOLERANCE * np.abs(wanted[finite]).max()
    assert np.array_equal(got[np.isinf(got)], wanted[np.isinf(wanted)])


def test_numbers_that_overflow_in_the_transform_alone(force: Force) -> None:
    force()
    x, dy = normal(0, 1, 16, 8, 8), normal(1, 1, 16, 8, 8)
    x[0, 3] *= np.float32(1e37)
    got = gradient_of(x, dy)
    wanted = by_definition(x, dy)
    assert np.isfinite(got).all()
    assert np.abs(got - wanted)[:, 3].max() <= TOLERANCE * np.abs(wanted).max()


def used(x: tuple[int, ...], out: int, kernel: int = 3, **attrs: Any) -> bool:
    """Whether the transform is what a gradient is lowered to."""
    stride = attrs.get("stride", (1, 1))
    tall, wide = (-(-n // s) for n, s in zip(x[2:], stride, strict=True))
    arrays = {"x": normal(0, *x), "dy": normal(1, x[0], out, tall, wide)}
    graph = graph_of(lambda b, v: gradient(b, v, kernel, **attrs), arrays)
    return any(key.startswith(KERNEL) for key in kernels_of(graph, host()))


def test_it_is_chosen_for_large_problems_without_stride() -> None:
    assert used((4, 64, 28, 28), 64)
    assert used((4, 64, 28, 28), 64, 5)
    assert not used((4, 64, 28, 28), 64, 1)
    assert not used((4, 64, 28, 28), 64, stride=(2, 2))
    assert not used((1, 512, 2, 2), 512)


def test_exact_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_EXACT", "1")
    assert not used((4, 64, 28, 28), 64)


@pytest.mark.skipif(host().arch not in ("x86_64", "amd64"), reason="reads x86 assembly")
def test_products_stay_in_registers() -> None:
    """The transforms of a patch have more values than there are registers; the products may not move any."""
    problem = GradientProblem(64, 64, 1, (28, 28), (28, 28), (3, 3), (1, 1), (1, 1), (1, 1))
    structure = plan_winograd_gradient(problem, 4, host()).structure
    kernel = emitted(structure.key("parts"), partial(emit_gradient, structure))
    compiled_kernel: Any = compile_kernel(kernel, "spills_winograd_gradient")
    sums = VECTORS * structure.channels
    products = [loop for loop in inner_loops(compiled_kernel.assembly, host()) if loop.packed == UNROLL * sums]
    assert products, "the loop of the products was not found"
    assert not [loop for loop in products if loop.spills], products
