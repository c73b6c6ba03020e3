"""Sizes that only a call tells: too small for a window or a slice, or zero. On cpu as on the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netlang.backends.cpu import Cpu
from netlang.backends.reference import Reference
from netlang.diagnostics import NetError, Source, Span
from netlang.ir.build import Builder
from netlang.ir.dims import Shape, sym
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import Pass, PassManager
from tests.backends.cpu.against_reference import Array, assert_same

N = sym("N")
B = Builder((Span(Source("small.net", "    layer(x)"), 1, 5, 1, 13),), "layer")
PLAIN: dict[str, Any] = {"stride": (1, 1), "pad": ((0, 0), (0, 0))}
DENSE: dict[str, Any] = {**PLAIN, "dilation": (1, 1)}

Make = Callable[..., Value]
Net = tuple[tuple[Shape, ...], Make]


def conv(x: Value, w: Value) -> Value:
    return B.op("conv", x, w, **DENSE)


def stage(x: Value, w: Value) -> Value:
    return B.op("max_pool", B.op("relu", conv(x, w)), kernel=(2, 2), **DENSE)


def picked(x: Value) -> Value:
    return B.op("gather", x, B.const(np.array([0]), DType.I64), axis=0)


def graphs(net: Net) -> list[tuple[Graph, tuple[Pass, ...]]]:
    """The net, and the gradients of the sum of its squares, each with its passes."""
    shapes, make = net
    inputs = tuple(B.input(f"x{i}", TensorType(DType.F32, s)) for i, s in enumerate(shapes))
    y = make(*inputs)
    loss = B.sum(B.mul(y, y), range(y.rank))
    slopes = tuple((f"d{i}", g) for i, g in enumerate(gradients(loss, inputs)))
    forward = Graph("forward", inputs, (), (("y", y),))
    return [(forward, inference_pipeline()), (Graph("backward", inputs, (), slopes), training_pipeline())]


def feed(graph: Graph, size: int) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    shapes = {v.node.name: v.type.concrete({"N": size}) for v in graph.inputs}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


TOO_SMALL: dict[str, tuple[Net, int, str]] = {
    "conv": ((((2, 3, N, 9), (5, 3, 3, 3)), conv), 2, r"kernel 3 is larger than the padded input 2 \(axis 2\)"),
    "fused stage": ((((2, 3, N, 9), (5, 3, 3, 3)), stage), 3, "larger than the padded input"),
    "pool": ((((2, 3, N, 9),), lambda x: B.op("avg_pool", x, kernel=(3, 3), **PLAIN)), 0, "padded input 0"),
    "slice": ((((N, 4),), lambda x: B.op("slice", x, axis=0, start=0, stop=2)), 1, r"slice 0:2 does not lie in axis 0"),
    "slice from the end": (
        (((N, 4),), lambda x: B.op("slice", x, axis=0, start=1, stop=N - 1)),
        1,
        r"slice 1:0 does not lie in axis 0",
    ),
    "gather": ((((N, 4),), picked), 0, "there is no element to pick"),
}


@pytest.mark.parametrize("name", TOO_SMALL)
def test_too_small_a_size_is_told_at_its_place(name: str) -> None:
    net, size, reason = TOO_SMALL[name]
    for graph, passes in graphs(net):
        given = feed(graph, size)
        ready = PassManager().run(graph, passes)
        for backend in (Reference(), Cpu()):
            program = backend.compile(backend.prepare(ready))
            with pytest.raises(NetError, match=reason) as caught:
                program.run(given, {})
            assert "small.net:1:5" in str(caught.value)
            assert f"N = {size}" in str(caught.value)


def test_nothing_has_no_largest_element() -> None:
    x = B.input("x0", TensorType(DType.F32, (N, 5)))
    graph = Graph("g", (x,), (), (("y", B.op("argmax", x, axis=0)),))
    for backend in (Reference(), Cpu()):
        with pytest.raises(NetError, match=r"argmax over axis 0 of \[0, 5\]: there is no element, with N = 0"):
            backend.compile(graph).run(feed(graph, 0), {})


EMPTY: dict[str, Net] = {
    "relu": (((N, 4),), lambda x: B.op("relu", x)),
    "matmul": (((N, 40), (40, 50)), lambda x, w: B.op("relu", B.op("matmul", x, w))),
    "inner": (((4, N), (N, 5)), lambda x, w: B.op("matmul", x, w)),
    "conv": (((N, 3, 9, 9), (5, 3, 3, 3)), conv),
    "fused stage": (((N, 3, 9, 9), (5, 3, 3, 3)), stage),
    "pool": (((N, 3, 9, 9),), lambda x: B.op("max_pool", x, kernel=(3, 3), **DENSE)),
    "softmax": (((N, 5),), lambda x: B.op("softmax", x, axis=1)),
    "sum": (((N, 5),), lambda x: B.op("reduce_sum", x, axes=(0,))),
    "maximum": (((N, 5),), lambda x: B.op("reduce_max", x, axes=(0,))),
    "concat": (((N, 5), (2, 5)), lambda x, y: B.op("concat", x, y, axis=0)),
    "transpose": (((N, 5, 3),), lambda x: B.op("transpose", x, perm=(2, 1, 0))),
    "pad": (((N, 5),), lambda x: B.op("pad", x, low=(1, 0), high=(0, 1))),
    "no columns": (((3, 4), (4, 0)), lambda x, w: B.op("matmul", x, w)),
    "no part": (((3, 4),), lambda x: B.op("slice", x, axis=1, start=2, stop=2)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_in_gives_what_the_reference_gives(name: str) -> None:
    for graph, passes in graphs(EMPTY[name]):
        given = feed(graph, 0)
        want = Reference().compile(graph).run(given, {})
        got = Cpu().compile(PassManager().run(graph, passes), threads=2).run(given, {})
        assert_same(got, want, 1e-6)


@pytest.mark.parametrize("op", ["max_pool", "max_pool_switch"])
def test_a_window_in_the_padding_alone(op: str) -> None:
    """With gaps between its taps a window may miss a narrow input."""
    shape = (1, 2, 1, 1, 4)
    attrs: dict[str, Any] = {"kernel": (2, 1, 2), "stride": (1, 1, 2), "dilation": (2, 1, 1)}
    x = B.input("x0", TensorType(DType.F32, shape))
    results = B.node(op, x, pad=((1, 1), (0, 0), (0, 0)), **attrs).results
    graph = Graph("g", (x,), (), tuple((f"y{i}", v) for i, v in enumerate(results)))
    given = feed(graph, 0)
    want = Reference().compile(graph).run(given, {})
    assert np.isneginf(want["y0"]).any()
    assert_same(Cpu().compile(graph).run(given, {}), want, 0)
