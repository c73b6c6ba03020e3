"""Loops inside the 1x1 convolutions that read them: which are joined, and that the results are those of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from netlang.backends.cpu import layout, prologue
from netlang.backends.cpu.target import Target, host
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value
from netlang.ir.parse import parse_graph
from netlang.ir.text import print_graph
from netlang.ir.verify import verify
from tests.backends.cpu.tiled import TARGETS, Make, assert_close, compiled, graph_of, normal

Values = Mapping[str, Value]
LANES = host().lanes(4)
BARE = {"pad": ((0, 0), (0, 0)), "stride": (1, 1), "dilation": (1, 1)}
PADDED = {**BARE, "pad": ((1, 1), (1, 1))}
HALVED = {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0))}


def features(b: Builder, v: Values) -> Value:
    """A map that no convolution has for its result, so that what follows is nobody's epilogue."""
    half = b.op("conv", v["x"], v["w0"], **PADDED)
    return b.op("concat", half, b.op("relu", half), axis=1)


def normalised(b: Builder, v: Values, x: Value) -> Value:
    return b.op("relu", b.add(b.mul(x, b.along(v["s"], 4, 1)), b.along(v["t"], 4, 1)))


def dense_layer(b: Builder, v: Values) -> Values:
    """DenseNet's: the normalised map is read by one convolution, the map itself by others too."""
    x = features(b, v)
    y = b.op("conv", normalised(b, v, x), v["w"], **BARE)
    y = b.op("relu", b.add(y, b.along(v["b"], 4, 1)))
    return {"y": b.op("conv", b.op("concat", x, y, axis=1), v["last"], **PADDED)}


def transition(b: Builder, v: Values) -> Values:
    return {"y": b.op("avg_pool", b.op("conv", normalised(b, v, features(b, v)), v["w"], **BARE), **HALVED)}


def with_residual(b: Builder, v: Values) -> Values:
    x = features(b, v)
    y = b.op("conv", b.op("tanh", b.mul(x, b.scalar(0.5, x))), v["square"], **BARE)
    return {"y": b.op("relu", b.add(y, x))}


def arrays(batch: int, channels: int, size: tuple[int, int], lanes: int = LANES) -> dict[str, Any]:
    c, out = channels, 2 * lanes
    shapes = {"x": (batch, 3, *size), "w0": (c // 2, 3, 3, 3), "s": (c,), "t": (c,), "w": (out, c, 1, 1), "b": (out,)}
    shapes |= {"last": (4, c + out, 3, 3), "square": (c, c, 1, 1)}
    return {name: normal(i, *shape) for i, (name, shape) in enumerate(shapes.items())}


def joined(make: Make, given: Mapping[str, Any], target: Target) -> tuple[Graph, Graph]:
    """The graph, and as it is after layouts and prologues."""
    used: set[str] = set()

    class Noting(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            used.add(name)
            return super().__getitem__(name)

    graph_of(lambda b, v: make(b, Noting(v)), given)
    graph = graph_of(make, {name: a for name, a in given.items() if name in used})
    after = prologue.run(layout.run(graph, target), target)
    verify(after)
    assert print_graph(parse_graph(print_graph(after))) == print_graph(after)
    return graph, after


def loops(graph: Graph) -> int:
    """Loops over whole maps."""
    return sum(n.op == "fused" and n.attrs["kind"] == "loop" and n.out.rank == 4 for n in graph.nodes)


@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
@pytest.mark.parametrize("make", [dense_layer, transition, with_residual])
@pytest.mark.parametrize(("batch", "size"), [(1, (7, 7)), (3, (1, 1)), (2, (19, 23))])
def test_a_prologue_is_the_loop(make: Make, batch: int, size: tuple[int, int], target: Target) -> None:
    if make is transition and size == (1, 1):
        size = (2, 3)
    given = arrays(batch, 4 * LANES, size, target.lanes(4))
    graph, after = joined(make, given, target)
    assert loops(layout.run(graph, target)) - loops(after) == 1
    fed = {v.node.name: given[v.node.name] for v in graph.inputs}
    wanted = Reference().compile(graph).run(fed, {})["y"]
    assert_close(Reference().compile(after).run(fed, {})["y"], wanted, "reference", 1e-6)
    one, two = (compiled(after, target, threads).run(fed, {})["y"] for threads in (1, 2))
    assert_close(one, wanted, "cpu")
    assert np.array_equal(one, two)
    apart = compiled(layout.run(graph, target), target, 1).run(fed, {})["y"]
    # Only functions such as tanh are computed by other formulas here and there.
    assert_close(one, apart, "joined", 1e-6)


def test_not_a_number_stays_one() -> None:
    given = arrays(2, 2 * LANES, (5, 5))
    given["x"][1, 0, 2, 3] = np.nan
    graph, after = joined(transition, given, host())
    fed = {v.node.name: given[v.node.name] for v in graph.inputs}
    assert_close(compiled(after, host(), 1).run(fed, {})["y"], Reference().compile(graph).run(fed, {})["y"], "y")


def read_twice(b: Builder, v: Values) -> Values:
    y = normalised(b, v, features(b, v))
    return {"y": b.op("conv", y, v["w"], **BARE), "z": b.op("conv", y, v["square"], **BARE)}


def padded(b: Builder, v: Values) -> Values:
    y = normalised(b, v, features(b, v))
    return {"y": b.op("conv", b.op("conv", y, v["w"], **PADDED), v["w3"], **BARE)}


def with_another_map(b: Builder, v: Values) -> Values:
    x = features(b, v)
    y = b.op("avg_pool", x, **{**HALVED, "kernel": (3, 3), "stride": (1, 1), "pad": PADDED["pad"]})
    return {"y": b.op("conv", b.op("exp", b.mul(x, y)), v["w"], **BARE)}


@pytest.mark.parametrize("make", [read_twice, padded, with_another_map])
def test_what_no_prologue_can_do_stays_a_loop(make: Make) -> None:
    given = arrays(1, 2 * LANES, (6, 5)) | {"w3": normal(9, 3, 2 * LANES, 1, 1)}
    graph, after = joined(make, given, host())
    assert loops(after) == loops(layout.run(graph)) > 0
    fed = {v.node.name: given[v.node.name] for v in graph.inputs}
    got, wanted = compiled(after, host(), 2).run(fed, {}), Reference().compile(graph).run(fed, {})
    for name, array in wanted.items():
        assert_close(got[name], array, name)
