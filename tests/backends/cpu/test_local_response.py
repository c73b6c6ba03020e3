"""Local response normalisation against the reference and PyTorch: layouts, pools, exponents, gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.backends.base import Array
from netlang.backends.cpu import Cpu, layout
from netlang.backends.cpu.target import host
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph, Value
from netlang.passes import training_pipeline
from netlang.passes.manager import PassManager
from tests.backends.cpu.tiled import TARGETS, assert_close, check, graph_of, kernels_of, normal

Values = Mapping[str, Value]
BOUNDED = settings(max_examples=10, deadline=None, derandomize=True)
POINT: dict[str, Any] = {"stride": (1, 1), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
POOL: dict[str, Any] = {"kernel": (3, 3), "stride": (2, 2), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
BLOCKS, ROWS = "response:", "response_rows:"


@st.composite
def cases(draw: Any) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A shape of three to five dims and attributes."""
    rank = draw(st.integers(1, 3))
    shape = (draw(st.sampled_from([1, 3])), draw(st.sampled_from([1, 3, 17, 40])))
    attrs = {
        "size": draw(st.sampled_from([1, 2, 3, 5, 9, 50])),
        "alpha": draw(st.sampled_from([1e-4, 0.5, 0.0])),
        "beta": draw(st.sampled_from([0.75, 0.5, 0.25, 1.0, 1.5, 0.0, 0.6, 3.0])),
        "k": draw(st.sampled_from([1.0, 2.0, 1e-3])),
    }
    return (*shape, *(draw(st.integers(1, 20 // rank)) for _ in range(rank))), attrs


@BOUNDED
@given(cases(), st.sampled_from(TARGETS))
def test_plain_tensors(case: Any, target: Any) -> None:
    shape, attrs = case

    def make(b: Builder, v: Values) -> Values:
        y = b.op("local_response_norm", v["x"], **attrs)
        return {"y": y, "dx": b.op("local_response_norm_grad", v["x"], v["dy"], **attrs)}

    check(make, {"x": normal(0, *shape), "dy": normal(1, *shape)}, target=target, tiled=ROWS)


@pytest.mark.parametrize("beta", [0.75, 0.5, 0.25, 1.0, 2.5, 0.0, 0.6, 1.9])
def test_exponents_are_as_exact_as_a_power(beta: float) -> None:
    """Over many orders of magnitude; relative to each element."""
    x = (normal(0, 1, 3, 50) * 10.0 ** np.linspace(-8, 6, 50)).astype(np.float32)

    def make(b: Builder, v: Values) -> Values:
        return {"y": b.op("local_response_norm", v["x"], size=3, alpha=1.0, beta=beta, k=1.0)}

    got = Cpu().compile(graph_of(make, {"x": x}), threads=1).run({"x": x}, {})["y"]
    wide = np.pad(x.astype(np.float64) ** 2, ((0, 0), (1, 1), (0, 0)))
    total = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    np.testing.assert_allclose(got, x / (1.0 + total / 3) ** beta, rtol=6e-6)


@pytest.mark.parametrize("op", ["max_pool", "avg_pool", "sum_pool"])
@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
@pytest.mark.parametrize("size", [5, 4, 1, 16])
def test_with_a_pool(op: str, target: Any, size: int) -> None:
    attrs = {**POOL, "pad": ((1, 0), (1, 1))}
    attrs = attrs if op == "max_pool" else {k: v for k, v in attrs.items() if k != "dilation"}

    def make(b: Builder, v: Values) -> Values:
        return {"y": b.op(op, b.op("local_response_norm", v["x"], size=size, alpha=0.5), **attrs)}

    check(make, {"x": normal(0, 3, 37, 23, 21)}, target=target, tiled=BLOCKS)


def test_positions_of_the_pool() -> None:
    def make(b: Builder, v: Values) -> Values:
        y, switch = b.node("max_pool_switch", b.op("local_response_norm", v["x"], size=5, alpha=0.5), **POOL).results
        return {"y": y, "switch": switch}

    check(make, {"x": normal(0, 2, 19, 40, 35)}, tiled=BLOCKS)


def test_other_element_types() -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.op("local_response_norm", v["x"], size=5, alpha=0.5)
        return {"y": y, "dx": b.op("local_response_norm_grad", v["x"], v["x"], size=5, alpha=0.5)}

    check(make, {"x": normal(0, 2, 7, 5, 4).astype(np.float64)}, tolerance=1e-12)
    check(make, {"x": normal(0, 2, 7, 5, 4).astype(np.float16)}, tolerance=2e-3)


def test_nan_and_infinity_reach_their_window_only() -> None:
    x = normal(0, 1, 20, 5, 5)
    x[0, 9, 2, 2], x[0, 16, 1, 1] = np.nan, np.inf

    def make(b: Builder, v: Values) -> Values:
        y = b.op("local_response_norm", v["x"], size=5)
        window = {**POOL, "kernel": (1, 1), "stride": (1, 1)}
        return {"y": y, "z": b.op("max_pool", b.op("local_response_norm", v["x"], size=3), **window)}

    check(make, {"x": x})
    check(make, {"x": x}, tiled=BLOCKS)


def stage(b: Builder, v: Values) -> Value:
    """A stage of AlexNet as published: convolution, ReLU, normalisation, pool; and another convolution after it."""
    y = b.op("relu", b.add(b.op("conv", v["x"], v["w"], **POINT), b.along(v["b"], 4, 1)))
    y = b.op("max_pool", b.op("local_response_norm", y, size=5, alpha=0.5), **POOL)
    return b.op("conv", y, v["w2"], **POINT)


STAGE = {
    "x": normal(0, 2, 5, 15, 14),
    "w": normal(1, 64, 5, 1, 1),
    "b": normal(2, 64),
    "w2": normal(3, 7, 64, 1, 1),
}


def test_a_stage_is_three_kernels_and_keeps_its_blocks() -> None:
    graph = layout.run(graph_of(lambda b, v: {"y": stage(b, v)}, STAGE))
    fused = [n for n in graph.nodes if n.op == "fused"]
    assert [n.attrs["kind"] for n in fused] == ["conv", "response", "conv"]
    assert [bool(n.inputs[0].type.layout) for n in fused] == [False, True, True]
    computing = [key for key in kernels_of(graph, host()) if not key.startswith("pack")]
    assert len(computing) == 3 and computing[1].startswith(BLOCKS)
    wanted = Reference().compile(graph).run(STAGE, {})["y"]
    one, two = (Cpu().compile(graph, threads=threads).run(STAGE, {})["y"] for threads in (1, 2))
    assert_close(one, wanted, "y")
    assert np.array_equal(one, two)


@pytest.mark.parametrize("channels", [64, 60, 17])
def test_alone_between_convolutions(channels: int) -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.op("sigmoid", b.op("conv", v["x"], v["w"], **POINT))
        return {"y": b.op("conv", b.op("local_response_norm", y, size=5, alpha=0.5), v["w2"], **POINT)}

    arrays = {"x": normal(0, 2, 5, 9, 7), "w": normal(1, channels, 5, 1, 1), "w2": normal(3, 7, channels, 1, 1)}
    graph = layout.run(graph_of(make, arrays))
    got = Cpu().compile(graph, threads=2).run(arrays, {})["y"]
    assert_close(got, Reference().compile(graph_of(make, arrays)).run(arrays, {})["y"], "y")


def test_training_through_a_stage() -> None:
    """Gradients by all weights, after all passes."""
    b = Builder()
    graph = graph_of(lambda b, v: {"y": stage(b, v)}, STAGE, fused=False)
    y, inputs = graph.outputs[0][1], {v.node.name: v for v in graph.inputs}
    loss = b.sum(b.mul(y, y), range(4))
    slopes = gradients(loss, list(inputs.values()), b)
    whole = Graph("g", graph.inputs, outputs=tuple((f"d{n}", g) for n, g in zip(inputs, slopes, strict=True)))
    wanted = Reference().compile(whole).run(STAGE, {})
    cpu = Cpu()
    prepared = cpu.prepare(PassManager().run(whole, training_pipeline()))
    one, two = (cpu.compile(prepared, threads=threads).run(STAGE, {}) for threads in (1, 2))
    for name, array in wanted.items():
        assert_close(one[name], array, name)
        assert np.array_equal(one[name], two[name])


@pytest.mark.parametrize("shape", [(2, 7, 5), (1, 40, 6, 5), (2, 9, 2, 3, 4)])
@pytest.mark.parametrize("size", [5, 4, 1])
def test_as_torch(shape: tuple[int, ...], size: int) -> None:
    torch = pytest.importorskip("torch")
    arrays: dict[str, Array] = {"x": normal(0, *shape), "dy": normal(1, *shape)}
    attrs = {"alpha": 0.3, "beta": 0.75, "k": 2.0}

    def make(b: Builder, v: Values) -> Values:
        y = b.op("local_response_norm", v["x"], size=size, **attrs)
        return {"y": y, "dx": gradients(y, [v["x"]], b, seed=v["dy"])[0]}

    x = torch.tensor(arrays["x"], requires_grad=True)
    y = torch.nn.LocalResponseNorm(size, **attrs)(x)
    y.backward(torch.tensor(arrays["dy"]))
    wanted = {"y": y.detach().numpy(), "dx": x.grad.numpy()}
    for backend in (Reference(), Cpu()):
        got = backend.compile(graph_of(make, arrays)).run(arrays, {})
        for name, array in wanted.items():
            np.testing.assert_allclose(got[name], array, rtol=2e-5, atol=2e-6)
