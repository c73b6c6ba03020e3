"""Weights kept as bfloat16: rounded as they should be, and everything else computed as before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from netlang.backends.base import Array, Options
from netlang.backends.cpu import Cpu
from netlang.backends.cpu.executable import Executable
from netlang.backends.reference import Reference
from netlang.diagnostics import NetError
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse
from tests.backends.cpu.tiled import assert_close, normal

HALF = Options(weights_as=DType.BF16)
Make = Callable[[Builder, Mapping[str, Value]], Value]


def rounded(w: Array) -> Array:
    return w.astype(ml_dtypes.bfloat16).astype(np.float32)


def layer(make: Make, x: Array, weights: Mapping[str, Array], trained: bool = False) -> Graph:
    """A graph of one layer whose weights are parameters; `trained`: they are updated."""
    b = Builder()
    types = {n: TensorType(DType.F32, a.shape) for n, a in {"x": x, **weights}.items()}
    values = {n: b.param(n, types[n], "weight", ("constant", 0.0)) for n in weights} | {"x": b.input("x", types["x"])}
    updates = (("w", b.scale(values["w"], 0.5)),) if trained else ()
    params = tuple(values[n] for n in weights)
    return fuse.run(Graph("layer", (values["x"],), params, (("y", make(b, values)),), updates))


def dense(b: Builder, v: Mapping[str, Value]) -> Value:
    return b.op("relu", b.add(b.op("matmul", v["x"], v["w"], transpose_b=True), v["b"]))


def half_bytes(compiled: Executable) -> list[str]:
    return [s.kernel.key for s in (*compiled.steps, *compiled.prologue) if "w_bytes=2" in s.kernel.key]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("rows", "inner", "columns"), [(1, 1, 1), (1, 33, 17), (3, 100, 130), (16, 300, 64), (31, 7, 48)]
)
def test_dense(rows: int, inner: int, columns: int, threads: int) -> None:
    x = normal(0, rows, inner)
    weights = {"w": normal(1, columns, inner), "b": normal(2, columns)}
    graph = layer(dense, x, weights)
    compiled = Cpu(HALF).compile(graph, threads=threads)
    assert half_bytes(compiled)
    got = compiled.run({"x": x}, weights)["y"]
    wanted = Reference().compile(graph).run({"x": x}, weights | {"w": rounded(weights["w"])})["y"]
    assert_close(got, wanted, "y", 1e-5)
    alone = Cpu(HALF).compile(graph, threads=1).run({"x": x}, weights)["y"]
    assert np.array_equal(got, alone)


def test_rounding_to_even_and_what_is_no_number() -> None:
    """One product of 1 with each weight shows how it was rounded."""
    bits = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF, 0x7F7FFFFF, 0x00000001, 0x80008001], np.uint32)
    special = np.array([np.inf, -np.inf, -0.0, 1e-40, 3.4e38], np.float32)
    w = np.concatenate([bits.view(np.float32), special, normal(3, 100)])[:, None]
    x = np.ones((1, 1), np.float32)
    graph = layer(lambda b, v: b.op("matmul", v["x"], v["w"], transpose_b=True), x, {"w": w})
    found = Cpu(HALF).compile(graph).run({"x": x}, {"w": w})["y"][0]
    np.testing.assert_array_equal(found, rounded(w)[:, 0])
    for nan in (np.uint32(0x7F800001), np.uint32(0xFFFFFFFF)):
        w[0] = nan.view(np.float32)
        assert np.isnan(Cpu(HALF).compile(graph).run({"x": x}, {"w": w})["y"][0, 0])


@pytest.mark.parametrize(
    ("channels", "out", "size", "kernel", "groups"), [(256, 640, 1, 1, 1), (96, 64, 7, 5, 1), (512, 512, 3, 3, 2)]
)
def test_convolutions(channels: int, out: int, size: int, kernel: int, groups: int) -> None:
    geometry: dict[str, Any] = {
        "stride": (1, 1),
        "pad": ((kernel // 2,) * 2,) * 2,
        "dilation": (1, 1),
        "groups": groups,
    }
    x, w = normal(0, 3, channels, size, size), normal(1, out, channels // groups, kernel, kernel)
    graph = layer(lambda b, v: b.op("conv", v["x"], v["w"], **geometry), x, {"w": w})
    compiled = Cpu(Options(exact=True, weights_as=DType.BF16)).compile(graph, threads=2)
    assert half_bytes(compiled)
    got = compiled.run({"x": x}, {"w": w})["y"]
    assert_close(got, Reference().compile(graph).run({"x": x}, {"w": rounded(w)})["y"], "y", 1e-5)


def test_it_halves_what_is_kept() -> None:
    x, weights = normal(0, 1, 512), {"w": normal(1, 512, 512), "b": normal(2, 512)}
    graph = layer(dense, x, weights)
    kept, half = (Cpu(o).plan(graph, {}).kept for o in (Options(), HALF))
    assert kept >= weights["w"].nbytes and half < 0.51 * kept


def test_weights_that_change_stay_as_they_are() -> None:
    x, weights = normal(0, 2, 40), {"w": normal(1, 30, 40), "b": normal(2, 30)}
    graph = layer(dense, x, weights, trained=True)
    assert not half_bytes(Cpu(HALF).compile(graph))


def test_the_reference_keeps_weights_as_they_are() -> None:
    with pytest.raises(NetError, match="'reference' keeps weights"):
        Reference(HALF)
