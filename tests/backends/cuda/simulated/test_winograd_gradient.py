"""Winograd's gradient by the weights in the simulator against the reference: geometries, rounds, NaN; when it is
chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netlang.backends.base import Array, Options
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.kernels import winograd_gradient_plan, winograd_weight_grad
from netlang.backends.cuda.simulator import SimulationError
from netlang.backends.cuda.simulator.device import TARGET
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles import winograd_weight_gradient
from netlang.backends.reference import Reference
from netlang.ir.dims import sym
from netlang.ir.graph import Graph
from netlang.ir.types import DType, TensorType
from tests.backends.compared import B, assert_same, feed_of, graph_of, inputs_like
from tests.backends.cuda.simulated.convolutions import Problem, geometry, normal, problem, simulated

TOLERANCE = 5e-5
KERNELS = ["winograd_input", "winograd_gradient", "gemm", "winograd_weight_gradient"]
SAME = ((1, 1), (1, 1))
without_tiles = pytest.mark.usefixtures("plain_products", "force")


@pytest.fixture
def force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is possible, whatever the model of costs says."""
    monkeypatch.setattr(winograd_weight_grad, "direct_seconds", lambda *_: 1e9)


def gradient(x: tuple[int, ...], out: int, pad: Any = SAME, flip: bool = False) -> Problem:
    """Of a convolution with so many output channels."""
    return problem("conv_weight_grad", x, (out, x[1], 3, 3), geometry((1, 1), pad, (1, 1), flip=flip), normal)


def check(given: Problem) -> None:
    got, keys = simulated(given)
    assert [key.split(":")[0] for key in keys] == KERNELS
    assert_same(got, Reference().compile(given[0]).run(given[1], {}), TOLERANCE)


@st.composite
def geometries(draw: Any) -> Problem:
    """Sizes and padding for which a window fits."""
    pad = tuple(draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in range(2))
    size = [max(1, 3 - sum(p) + draw(st.integers(0, 5))) for p in pad]
    x = (draw(st.integers(1, 2)), draw(st.sampled_from([1, 9])), *size)
    return gradient(x, draw(st.sampled_from([1, 5])), pad, draw(st.booleans()))


@without_tiles
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=geometries())
def test_any_geometry(case: Problem) -> None:
    check(case)


@without_tiles
def test_parts_of_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four images by twos, and in each two parts of the patches."""
    monkeypatch.setattr(winograd_gradient_plan, "ROUND_BYTES", 60_000)
    monkeypatch.setattr(winograd_gradient_plan, "_LEAST_STEPS", 1)
    given = gradient((4, 3, 20, 15), 4)
    (launch,) = [step for step in launches(given[0]) if step.kernel.key.startswith("winograd_weight_gradient")]
    assert launch.args[6]({}) == 4
    check(given)


def launches(graph: Graph, target: CudaTarget = TARGET, **options: Any) -> list[Any]:
    """What is launched for a graph."""
    _, steps = lowered(graph, target, Options(**options))
    return [step for own in steps.values() for step in own]


@without_tiles
def test_an_open_number_of_images() -> None:
    x, dy = (B.input(n, TensorType(DType.F32, (sym("N"), c, 5, 6))) for n, c in (("x", 2), ("dy", 3)))
    graph = graph_of([x, dy], B.op("conv_weight_grad", x, dy, kernel=(3, 3), **geometry((1, 1), SAME, (1, 1))))
    for images in (1, 3, 0):
        feed = {"x": normal(1, (images, 2, 5, 6)), "dy": normal(2, (images, 3, 5, 6))}
        got, keys = simulated((graph, feed))
        assert [key.split(":")[0] for key in keys] == KERNELS
        assert_same(got, Reference().compile(graph).run(feed, {}), TOLERANCE)


@without_tiles
def test_slices_are_read_where_they_lie() -> None:
    arrays = [normal(0, (2, 5, 4, 5)), normal(2, (2, 4, 4, 5))]
    x, dy = inputs = inputs_like(arrays)
    whole = B.op("relu", x)
    part = B.op("slice", whole, axis=1, start=1, stop=4)
    grad = B.op("conv_weight_grad", part, dy, kernel=(3, 3), **geometry((1, 1), SAME, (1, 1)))
    given = graph_of(inputs, whole, grad), feed_of(arrays)
    got, keys = simulated(given)
    assert not any("copy" in key for key in keys) and any(key.startswith("winograd_gradient") for key in keys)
    assert_same(got, Reference().compile(given[0]).run(given[1], {}), TOLERANCE)


@without_tiles
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_it_belongs(value: float) -> None:
    graph, feed = gradient((2, 3, 5, 6), 4)
    x, dy = feed.values()
    x[1, 1, 0, 0], dy[0, 2, 4, 3] = value, value
    got, wanted = (next(iter(found.values())) for found in (simulated((graph, feed))[0], by_reference(graph, feed)))
    finite = np.isfinite(wanted)
    assert 0 < finite.sum() < finite.size
    np.testing.assert_array_equal(got[~finite], wanted[~finite])
    assert np.abs(got[finite] - wanted[finite]).max() <= TOLERANCE * np.abs(wanted[finite]).max()


def by_reference(graph: Graph, feed: dict[str, Array]) -> dict[str, Array]:
    return Reference().compile(graph).run(feed, {})


def test_when_it_is_taken() -> None:
    large = CudaTarget("90", 132, 227 * 1024, 3.35e12)

    def taken(images: int, channels: int, size: int, **options: Any) -> bool:
        shape = (images, channels, size, size)
        x, dy = (B.input(n, TensorType(DType.F32, shape)) for n in ("x", "dy"))
        graph = graph_of([x, dy], B.op("conv_weight_grad", x, dy, kernel=(3, 3), **geometry((1, 1), SAME, (1, 1))))
        return any(s.kernel.key.startswith("winograd") for s in launches(graph, large, **options))

    assert taken(64, 128, 56) and taken(64, 512, 14)
    assert not taken(1, 512, 7) and not taken(4, 8, 14)
    assert not taken(64, 128, 56, exact=True) and not taken(64, 128, 56, precision="tf32")


MISTAKES = {
    "a part too few": ("while part < count", "while part < count - 1"),
    "the taps of the row below": ("i32(pixel - i32(top * map_width))", "i32(pixel - i32(top * width))"),
    "a channel too many": ("channel < channels", "channel <= channels"),
}


@without_tiles
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = MISTAKES[name]
    source = winograd_weight_gradient._source

    def mistaken(*args: Any) -> str:
        text = source(*args)
        assert right in text
        return text.replace(right, wrong)

    monkeypatch.setattr(winograd_weight_gradient, "_source", mistaken)
    given = gradient((1, 3, 5, 6), 2, ((1, 1), (0, 0)))
    next(iter(given[1].values()))[0, 0, 0, 0] = np.inf
    with pytest.raises((AssertionError, SimulationError)):
        check(given)
