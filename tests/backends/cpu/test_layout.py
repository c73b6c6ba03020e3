"""The layout pass: what it blocks, that the verifier and the reference agree, and that kernels carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from netlang.backends.cpu import layout
from netlang.backends.cpu.target import Target
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value
from netlang.ir.parse import parse_graph
from netlang.ir.text import print_graph
from netlang.ir.verify import verify
from tests.backends.cpu.tiled import TARGETS, assert_close, compiled, graph_of, normal

Values = Mapping[str, Value]
GEOMETRY = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1)}
POOL = {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0))}
MAX = {**POOL, "dilation": (1, 1)}


def conv(b: Builder, x: Value, w: Value, **attrs: Any) -> Value:
    return b.op("conv", x, w, **{**GEOMETRY, **attrs})


def stage(b: Builder, v: Values, x: Value, i: int, **attrs: Any) -> Value:
    return b.op("relu", b.add(conv(b, x, v[f"w{i}"], **attrs), b.along(v[f"b{i}"], 4, 1)))


def chain(b: Builder, v: Values) -> Values:
    y = b.op("max_pool", stage(b, v, v["x"], 1), **MAX)
    y = stage(b, v, y, 2, stride=(2, 1), dilation=(1, 2))
    y = b.op("relu", b.add(y, conv(b, y, v["w3"])))
    y = b.op("avg_pool", y, **POOL)
    return {"y": stage(b, v, b.op("max_pool", y, **{**MAX, "pad": ((1, 0), (0, 1))}), 4)}


def arrays(channels: int) -> dict[str, Any]:
    c = channels
    shapes = {"w1": (c, 3, 3, 3), "w2": (c, c, 3, 3), "w3": (c, c, 3, 3), "w4": (5, c, 3, 3)}
    made = {name: normal(i, *shape) for i, (name, shape) in enumerate(shapes.items())}
    biases = {"b1": normal(7, c), "b2": normal(8, c), "b4": normal(9, 5)}
    return {"x": normal(6, 2, 3, 26, 23), **made, **biases}


def layouts(graph: Graph) -> list[str]:
    return [r.type.layout for n in graph.nodes if n.op not in ("input", "param") for r in n.results]


@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
@pytest.mark.parametrize("channels", [16, 48, 61])
def test_a_chain_stays_blocked(channels: int, target: Target) -> None:
    given = arrays(channels)
    plain = graph_of(chain, given)
    graph = layout.run(plain, target)
    verify(graph)
    name = f"c{target.lanes(4)}"
    assert [e for e in layouts(graph) if e] == [name] * (len(layouts(graph)) - 1)
    assert print_graph(parse_graph(print_graph(graph))) == print_graph(graph)
    wanted = Reference().compile(plain).run(given, {})["y"]
    assert_close(Reference().compile(graph).run(given, {})["y"], wanted, "reference", 1e-6)
    one, two = (compiled(graph, target, threads).run(given, {})["y"] for threads in (1, 2))
    assert_close(one, wanted, "cpu")
    assert np.array_equal(one, two)


def test_few_channels_stay_plain() -> None:
    graph = graph_of(chain, arrays(3))
    assert layout.run(graph, TARGETS[0]).outputs == graph.outputs


def test_what_leaves_or_is_read_otherwise_stays_plain() -> None:
    def make(b: Builder, v: Values) -> Values:
        inner = stage(b, v, v["x"], 1)
        outer = stage(b, v, inner, 2)
        return {"inner": inner, "y": b.op("exp", b.op("transpose", outer, perm=(0, 2, 3, 1)))}

    given = {k: a for k, a in arrays(32).items() if k in ("x", "w1", "b1", "w2", "b2")}
    assert not any(layouts(layout.run(graph_of(make, given))))


def test_groups_and_pool_inside_a_convolution() -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.op("max_pool", conv(b, v["x"], v["w1"]), **MAX)
        y = b.op("relu", b.add(y, b.along(v["b1"], 4, 1)))
        z = b.op("max_pool", b.add(conv(b, y, v["w2"], groups=2), y), **MAX)
        return {"y": conv(b, b.op("tanh", z), v["w4"])}

    given = arrays(64) | {"w2": normal(3, 64, 32, 3, 3)}
    given = {k: a for k, a in given.items() if k in ("x", "w1", "b1", "w2", "w4")}
    graph = layout.run(graph_of(make, given))
    verify(graph)
    assert sum(map(bool, layouts(graph))) == 2
    wanted = Reference().compile(graph).run(given, {})["y"]
    assert_close(compiled(graph, TARGETS[0], 2).run(given, {})["y"], wanted, "cpu")


@pytest.mark.parametrize("channels", [48, 52])
def test_a_loop_reads_blocks_only_where_channels_fill_them(channels: int) -> None:
    """The maximum over all places, as after the convolutions of a sentence."""

    def make(b: Builder, v: Values) -> Values:
        return {"y": b.op("reduce_max", stage(b, v, v["x"], 1), axes=(2, 3))}

    given = {k: a for k, a in arrays(channels).items() if k in ("x", "w1", "b1")}
    graph = layout.run(graph_of(make, given), TARGETS[0])
    assert any(layouts(graph)) == (channels % TARGETS[0].lanes(4) == 0)
    wanted = Reference().compile(graph).run(given, {})["y"]
    assert_close(compiled(graph, TARGETS[0], 1).run(given, {})["y"], wanted, "cpu")


def test_positions_stay_plain() -> None:
    def make(b: Builder, v: Values) -> Values:
        y, switch = b.node("max_pool_switch", conv(b, v["x"], v["w1"]), **MAX).results
        y = b.op("relu", b.add(y, b.along(v["b1"], 4, 1)))
        back = b.op("max_unpool", v["dy"], switch, size=v["x"].shape[2:], **MAX)
        return {"y": conv(b, y, v["w4"]), "dx": back}

    given = {k: a for k, a in arrays(32).items() if k in ("x", "w1", "b1", "w4")}
    given["dy"] = normal(4, 2, 32, 13, 11)
    graph = layout.run(graph_of(make, given))
    verify(graph)
    assert sum(map(bool, layouts(graph))) == 1
    wanted = Reference().compile(graph).run(given, {})
    got = compiled(graph, TARGETS[0], 1).run(given, {})
    for name, array in wanted.items():
        assert_close(got[name], array, name)
