"""Concatenations of channels: which parts are computed in their places, that nothing else is copied, the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.backends.common.homes import find_homes
from netlang.backends.common.planning import plan_memory
from netlang.backends.common.slices import concat_of
from netlang.backends.cpu import layout
from netlang.backends.cpu.backend import lowered
from netlang.backends.cpu.target import host
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.ir.verify import verify
from netlang.passes import fuse
from netlang.passes.autodiff import gradients
from tests.backends.cpu.tiled import assert_close, compiled, graph_of, normal

Values = Mapping[str, Value]
LANES = host().lanes(4)
POOL = {"kernel": (3, 3), "stride": (1, 1), "pad": ((1, 1), (1, 1))}


def conv(b: Builder, x: Value, w: Value) -> Value:
    pad = w.shape[2] // 2  # type: ignore[operator]
    return b.op("conv", x, w, stride=(1, 1), pad=((pad, pad), (pad, pad)), dilation=(1, 1))


def copies(graph: Graph) -> int:
    """Steps of concatenations."""
    _, steps = lowered(graph, host())
    return sum(len(own) for node, own in steps.items() if concat_of(node) is not None)


def check(graph: Graph, arrays: Mapping[str, Any], tolerance: float = 1e-4) -> Graph:
    """The graph in this backend's layouts, carried out on one thread and two, against the reference."""
    prepared = layout.run(graph)
    verify(prepared)
    wanted = Reference().compile(graph).run(arrays, {})
    one, two = (compiled(prepared, host(), threads).run(arrays, {}) for threads in (1, 2))
    for name, array in wanted.items():
        assert_close(one[name], array, name, tolerance)
        assert np.array_equal(one[name], two[name]), name
    return prepared


def inception(b: Builder, v: Values) -> Values:
    x = b.op("relu", conv(b, v["x"], v["w0"]))
    first = b.op("relu", conv(b, x, v["w1"]))
    second = b.op("relu", conv(b, conv(b, x, v["w1"]), v["w2"]))
    third = conv(b, b.op("max_pool", x, **POOL, dilation=(1, 1)), v["w1"])
    joined = b.op("concat", first, second, third, b.op("avg_pool", x, **POOL), axis=1)
    return {"y": conv(b, joined, v["w3"])}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("outer", "inner"), [(32, 16), (17, 3)])
def test_an_inception_block_copies_nothing(batch: int, outer: int, inner: int) -> None:
    shapes = {"w0": (outer, 3, 1, 1), "w1": (inner, outer, 1, 1), "w2": (inner, inner, 3, 3)}
    shapes |= {"w3": (5, 3 * inner + outer, 1, 1), "x": (batch, 3, 7, 9)}
    arrays = {name: normal(i, *shape) for i, (name, shape) in enumerate(shapes.items())}
    graph = check(graph_of(inception, arrays), arrays)
    assert copies(graph) == 0
    (joined,) = (n.out for n in graph.nodes if concat_of(n) is not None)
    assert bool(joined.type.layout) == (inner % LANES == 0)


def dense_block(layers: int, growth: int) -> Any:
    """DenseNet: every layer normalises, convolves and adds its channels to those before."""

    def make(b: Builder, v: Values) -> Values:
        features = b.op("relu", conv(b, v["x"], v["stem"]))
        for i in range(layers):
            y = b.op("relu", b.add(b.mul(features, b.along(v[f"s{i}"], 4, 1)), b.along(v[f"t{i}"], 4, 1)))
            y = b.op("relu", conv(b, y, v[f"w{i}"]))
            features = b.op("concat", features, y, axis=1)
        return {"y": b.op("reduce_mean", features, axes=(2, 3))}

    return make


def dense_shapes(batch: int, layers: int, stem: int, growth: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"x": (batch, 3, 6, 5), "stem": (stem, 3, 1, 1)}
    for i in range(layers):
        channels = stem + i * growth
        shapes |= {f"s{i}": (channels,), f"t{i}": (channels,), f"w{i}": (growth, channels, 1, 1)}
    return shapes


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("stem", "growth"), [(32, 16), (7, 5)])
def test_a_growing_chain_is_one_buffer(batch: int, stem: int, growth: int) -> None:
    arrays = {n: normal(i, *s) for i, (n, s) in enumerate(dense_shapes(batch, 4, stem, growth).items())}
    graph = check(graph_of(dense_block(4, growth), arrays), arrays)
    assert copies(graph) == 0
    context, steps = lowered(graph, host())
    joined = [n.out for n in graph.nodes if concat_of(n) is not None]
    assert {context.storage(v) for v in joined} == {joined[-1]}
    assert {bool(v.type.layout) for v in joined} == {growth % LANES == 0}
    plan = plan_memory(context, find_homes(context, steps), {})
    assert len({plan.offsets[v] for v in joined}) == 1
    assert plan.peak == plan.lower_bound


def test_what_cannot_lie_inside_is_copied() -> None:
    def make(b: Builder, v: Values) -> Values:
        x, y = b.op("exp", v["x"]), b.op("relu", v["x"])
        z = b.op("tanh", v["x"])
        one = b.op("concat", x, v["x"], x, axis=1)  # copied: the input, and x the second time
        two = b.op("concat", b.op("neg", one), y, z, axis=1)  # copied: z, which lies in the other one or leaves
        three = b.op("concat", y, b.op("transpose", y, perm=(0, 1, 3, 2)), axis=1)  # copied: what transposes, and y
        return {"two": two, "z": z, "three": b.op("abs", three)}

    arrays = {"x": normal(0, 3, 5, 4, 4)}
    graph = check(graph_of(make, arrays, fused=False), arrays)
    assert copies(graph) == 2 + 1 + 2 - 1  # y lies in one of two and three


def test_channels_that_are_taken_out_stay_where_they_are() -> None:
    def make(b: Builder, v: Values) -> Values:
        whole = b.op("exp", v["x"])
        low, high = (b.op("slice", whole, axis=1, start=a, stop=z, step=1) for a, z in ((0, 4), (3, 7)))
        inner = b.op("slice", low, axis=1, start=1, stop=3, step=1)
        rows = b.op("reshape", b.op("slice", whole, axis=1, start=2, stop=4, step=1), shape=(3, 32))
        y = b.op("relu", b.add(low, high))  # not over either of them: `inner` is read later
        return {"y": b.op("concat", y, high, axis=1), "z": b.op("abs", inner), "rows": b.op("neg", rows), "low": low}

    arrays = {"x": normal(0, 3, 7, 4, 4)}
    graph = check(graph_of(make, arrays, fused=False), arrays)
    context, steps = lowered(graph, host())
    taken = [n for n in graph.nodes if n.op == "slice"]
    # One leaves the graph and one is viewed in another shape: these are copied.
    assert sorted(len(steps[n]) for n in taken) == [0, 0, 1, 1]
    assert len([n for n in taken if n.out in context.slices]) == 2


def test_the_gradient_of_a_growing_chain_copies_no_prefix() -> None:
    arrays = {n: normal(i, *s) for i, (n, s) in enumerate(dense_shapes(3, 3, 6, 5).items())}

    def make(b: Builder, v: Values) -> Values:
        y = dense_block(3, 5)(b, v)["y"]
        return {"dx": gradients(b.op("reduce_sum", y, axes=(0, 1)), [v["stem"]], b)[0]}

    graph = check(graph_of(make, arrays), arrays)
    _, steps = lowered(graph, host())
    taken = [n for n in graph.nodes if n.op == "slice"]
    assert taken and any(not steps[n] for n in taken)


def test_parts_of_a_result_are_computed_into_the_callers_array() -> None:
    def make(b: Builder, v: Values) -> Values:
        return {"y": b.op("concat", b.op("exp", v["x"]), b.op("abs", v["x"]), axis=1)}

    arrays = {"x": normal(0, 3, 5, 4, 4)}
    graph = check(graph_of(make, arrays, fused=False), arrays)
    assert copies(graph) == 0
    context, steps = lowered(graph, host())
    assert plan_memory(context, find_homes(context, steps), {}).peak == 0


def test_plain_inputs_of_a_blocked_whole_are_converted() -> None:
    """A shuffle of pixels knows nothing of layouts, convolutions around it do."""

    def make(b: Builder, v: Values) -> Values:
        x = conv(b, v["x"], v["w0"])
        turned = b.op("transpose", b.op("relu", conv(b, x, v["w1"])), perm=(0, 1, 3, 2))
        return {"y": conv(b, b.op("concat", x, turned, conv(b, x, v["w2"]), axis=1), v["w3"])}

    c = LANES
    shapes = {"x": (2, 3, 6, 6), "w0": (c, 3, 3, 3), "w1": (2 * c, c, 1, 1), "w2": (c - 3, c, 1, 1)}
    shapes |= {"w3": (4, 4 * c - 3, 3, 3)}
    arrays = {name: normal(i, *shape) for i, (name, shape) in enumerate(shapes.items())}
    graph = check(graph_of(make, arrays), arrays)
    (joined,) = (n.out for n in graph.nodes if concat_of(n) is not None)
    assert joined.type.layout
    assert copies(graph) == 1


def test_the_number_of_images_is_an_argument() -> None:
    b = Builder()
    x = b.input("x", TensorType(DType.F32, (sym("N"), 6, 3, 4)))
    y = b.op("concat", b.op("exp", x), b.op("concat", b.op("abs", x), b.op("neg", x), axis=1), axis=1)
    graph = fuse.run(Graph("g", (x,), (), (("y", b.op("relu", y)),)))
    program = compiled(graph, host(), 1)
    for batch in (1, 4):
        given = {"x": normal(batch, batch, 6, 3, 4)}
        assert_close(program.run(given, {})["y"], Reference().compile(graph).run(given, {})["y"], "y")


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Graph, dict[str, Any]]:
    """Nets of elementwise ops, pools, 1x1 convolutions, concatenations, slices; values may be shared or leave."""
    batch = draw(st.sampled_from([1, 3]))
    channels = draw(st.sampled_from([LANES, 2 * LANES, 3]))
    b = Builder()
    image = b.input("image", TensorType(DType.F32, (batch, channels, 4, 5)))
    arrays: dict[str, Any] = {"image": normal(1, batch, channels, 4, 5)}
    inputs, values = [image], [image]
    for i in range(draw(st.integers(3, 9))):
        x = draw(st.sampled_from(values[-4:]))
        kind = draw(st.sampled_from(["relu", "scale", "avg_pool", "conv", "concat", "concat", "slice", "add"]))
        if kind == "conv":
            shape = (channels, x.shape[1], 1, 1)
            w = b.input(f"w{i}", TensorType(DType.F32, shape))
            arrays[w.node.name] = normal(i, *shape) / np.float32(np.sqrt(x.shape[1]))  # type: ignore[arg-type]
            inputs.append(w)
            values.append(conv(b, x, w))
        elif kind == "concat":
            others = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2))
            values.append(b.op("concat", x, *others, axis=1))
        elif kind == "slice":
            start, count = draw(st.tuples(st.integers(0, 1), st.integers(2, 20)))
            channels_of_x = int(str(x.shape[1]))
            start, stop = min(start, channels_of_x - 1), min(channels_of_x, start + count)
            values.append(b.op("slice", x, axis=1, start=start, stop=stop, step=1))
        else:
            values.append(_simple(b, kind, x, values, inputs, arrays))
    outputs: Sequence[Value] = [values[-1], *draw(st.lists(st.sampled_from(values[1:]), max_size=2))]
    named = tuple((f"y{i}", v) for i, v in enumerate(outputs))
    return fuse.run(Graph("g", tuple(inputs), (), named)), arrays


def _simple(
    b: Builder, kind: str, x: Value, values: Sequence[Value], inputs: list[Value], arrays: dict[str, Any]
) -> Value:
    if kind == "relu":
        return b.op("relu", x)
    if kind == "avg_pool":
        return b.op("avg_pool", x, **POOL)
    if kind == "add":
        return b.add(x, next(v for v in values if v.shape == x.shape))
    vector = b.input(f"s{len(inputs)}", TensorType(DType.F32, (x.shape[1],)))
    arrays[vector.node.name] = normal(len(inputs), int(str(x.shape[1])))
    inputs.append(vector)
    return b.mul(x, b.along(vector, 4, 1))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(drawn())
def test_any_net_of_concatenations(case: tuple[Graph, dict[str, Any]]) -> None:
    graph, arrays = case
    check(graph, {v.node.name: arrays[v.node.name] for v in graph.inputs})
