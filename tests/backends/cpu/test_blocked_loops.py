"""Elementwise loops and reductions on channels in blocks: that layouts stay through whole nets, and the results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.backends.cpu import layout
from netlang.backends.cpu.target import Target, host
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType
from netlang.ir.verify import verify
from tests.backends.cpu.tiled import TARGETS, Make, assert_close, compiled, graph_of, normal

Values = Mapping[str, Value]
LANES = host().lanes(4)
GEOMETRY = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1)}


def conv(b: Builder, x: Value, w: Value) -> Value:
    return b.op("conv", x, w, **GEOMETRY)


def scaled(b: Builder, v: Values, x: Value) -> Value:
    return b.add(b.mul(x, b.along(v["s"], 4, 1)), b.along(v["t"], 4, 1))


def residual_net(b: Builder, v: Values) -> Values:
    """Activations before convolutions, sums of maps after them, the mean of whole maps at the end."""
    x = conv(b, v["x"], v["w0"])
    for _ in range(2):
        x = b.add(x, conv(b, b.op("relu", scaled(b, v, x)), v["w"]))
    return {"y": b.op("reduce_mean", b.op("sigmoid", scaled(b, v, x)), axes=(2, 3))}


def attention(b: Builder, v: Values) -> Values:
    """A number per image and channel weighs a map (squeeze and excitation)."""
    x = conv(b, v["x"], v["w0"])
    weight = b.op("sigmoid", b.op("reduce_mean", x, axes=(2, 3), keepdims=True))
    return {"y": conv(b, b.mul(x, weight), v["w"])}


def statistics(b: Builder, v: Values) -> Values:
    x = conv(b, v["x"], v["w0"])
    y, mean, var = b.node("batchnorm_train", x, v["s"], v["t"]).results
    return {"y": conv(b, b.op("relu", y), v["w"]), "mean": mean, "var": var}


def dropout(b: Builder, v: Values) -> Values:
    x = conv(b, v["x"], v["w0"])
    drawn = b.op("uniform", v["key"], shape=x.shape, stream=3, dtype=DType.F32)
    kept = b.op("gt", drawn, b.scalar(0.25, drawn))
    return {"y": conv(b, b.op("where", kept, b.op("tanh", x), b.scalar(0.0, x)), v["w"])}


def arrays(batch: int, channels: int, size: tuple[int, int]) -> dict[str, Any]:
    shapes = {"x": (batch, 3, *size), "w0": (channels, 3, 3, 3), "w": (channels, channels, 3, 3)}
    shapes |= {"s": (channels,), "t": (channels,)}
    made = {name: normal(i, *shape) for i, (name, shape) in enumerate(shapes.items())}
    return {**made, "key": np.array([7, 2])}


def used(make: Make, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays that a net reads."""
    graph = graph_of(make, given)
    return {v.node.name: given[v.node.name] for v in graph.inputs if v in graph.uses}


def check(make: Make, given: Mapping[str, Any], target: Target) -> Graph:
    feed = used(make, given)
    plain = graph_of(make, feed)
    graph = layout.run(plain, target)
    verify(graph)
    wanted = Reference().compile(plain).run(feed, {})
    one, two = (compiled(graph, target, threads).run(feed, {}) for threads in (1, 2))
    for name, array in wanted.items():
        assert_close(one[name], array, name)
        assert np.array_equal(one[name], two[name], equal_nan=True), name
    return graph


def maps(graph: Graph) -> list[str]:
    """Layouts of the maps that lie between nodes."""
    inner = [r for n in graph.nodes if n.op not in ("input", "param") for r in n.results if r not in graph.escaping]
    return [v.type.layout for v in inner if v.rank == 4 and v.shape[3] != 1]


@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
@pytest.mark.parametrize("make", [residual_net, attention, statistics, dropout])
@pytest.mark.parametrize(("batch", "size"), [(1, (5, 9)), (3, (17, 18))])
def test_maps_stay_blocked(make: Make, batch: int, size: tuple[int, int], target: Target) -> None:
    graph = check(make, arrays(batch, 2 * LANES, size), target)
    assert maps(graph)
    assert set(maps(graph)) == {f"c{target.lanes(4)}"}


@pytest.mark.parametrize("make", [residual_net, attention, statistics])
def test_channels_that_fill_no_blocks_stay_plain(make: Make) -> None:
    graph = check(make, arrays(2, LANES + 1, (6, 5)), host())
    assert set(maps(graph)) == {""}


def test_reductions_over_channels_are_plain() -> None:
    def make(b: Builder, v: Values) -> Values:
        x = conv(b, v["x"], v["w0"])
        return {"y": b.op("softmax", x, axis=1), "z": b.op("reduce_max", b.op("exp", x), axes=(1, 3))}

    assert set(maps(check(make, arrays(2, LANES, (6, 5)), host()))) == {""}


def test_not_a_number_stays_one() -> None:
    given = arrays(2, LANES, (5, 6))
    given["x"][0, 1, 2, 3] = np.nan
    given["t"][1] = np.inf
    with np.errstate(invalid="ignore"):
        check(residual_net, given, host())


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Make, dict[str, Any]]:
    """Nets of convolutions and elementwise ops of their results, with vectors, sums over pixels and plain results."""
    steps = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=7))

    def make(b: Builder, v: Values) -> Values:
        values = [conv(b, v["x"], v["w0"])]
        rows: list[Value] = []
        for kind, i, j in steps:
            x, y = values[-1 - i % len(values)], values[-1 - j % len(values)]
            if kind == 6:
                rows.append(b.op("reduce_max", x, axes=(0, 2, 3)))
                continue
            made = (
                lambda x=x, y=y: b.add(x, y),
                lambda x=x: b.op("relu", x),
                lambda x=x: scaled(b, v, b.op("tanh", x)),
                lambda x=x, y=y: b.op("where", b.op("gt", x, y), x, b.op("neg", y)),
                lambda x=x: conv(b, b.op("tanh", x), v["w"]),
                lambda x=x: b.mul(x, b.op("sigmoid", b.op("reduce_mean", x, axes=(2, 3), keepdims=True))),
            )[kind]()
            values.append(made)
        outputs = {f"r{i}": row for i, row in enumerate(rows)}
        return {**outputs, "y": conv(b, values[-1], v["w"]), "z": b.op("reduce_sum", values[-1], axes=(2,))}

    return make, arrays(draw(st.sampled_from([1, 3])), LANES, (4, 5))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(drawn())
def test_any_net_of_loops(case: tuple[Make, dict[str, Any]]) -> None:
    make, given = case
    check(make, given, host())
