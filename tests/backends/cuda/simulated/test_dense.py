"""Matrix products in the simulator against the reference: shapes, orders, batches, what is fused, precisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.backends.base import Options
from netlang.backends.cuda import Cuda, product_ways
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.ways import Way
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse
from tests.backends.compared import assert_same

Array = NDArray[Any]
Body = Callable[[Builder, Mapping[str, Value]], Value]


def graph_of(body: Body, types: Mapping[str, TensorType]) -> Graph:
    b = Builder()
    inputs = {name: b.input(name, type) for name, type in types.items()}
    return fuse.run(Graph("g", tuple(inputs.values()), (), (("y", body(b, inputs)),)))


def types_of(arrays: Mapping[str, Array]) -> dict[str, TensorType]:
    return {name: TensorType(DType.of(a.dtype), a.shape) for name, a in arrays.items()}


def check(
    body: Body,
    arrays: Mapping[str, Array],
    kernel: str,
    types: Mapping[str, TensorType] | None = None,
    tolerance: float = 0.0,
    device: Simulator | None = None,
    precision: str = "float32",
) -> None:
    """Small integers, so that sums are exact, unless there is a tolerance."""
    graph = graph_of(body, types or types_of(arrays))
    want = Reference().compile(graph).run(arrays, {})
    backend = Cuda(Options(precision=precision), device or Simulator())
    assert_same(backend.compile(graph).run(arrays, {}), want, tolerance)
    _, steps = lowered(graph, backend.device.target, backend.options)
    assert any(step.kernel.key.startswith(kernel) for made in steps.values() for step in made)


def integers(seed: int, *shape: int, dtype: Any = np.float32) -> Array:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def product(b: Builder, v: Mapping[str, Value], ta: bool = False, tb: bool = False) -> Value:
    return b.op("matmul", v["a"], v["b"], transpose_a=ta, transpose_b=tb)


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize(("rows", "inner", "columns"), [(40, 36, 40), (18, 5, 3), (1, 70, 9), (3, 64, 8)])
def test_any_order(rows: int, inner: int, columns: int, ta: bool, tb: bool) -> None:
    arrays = {"a": integers(0, *((inner, rows) if ta else (rows, inner)))}
    arrays["b"] = integers(1, *((columns, inner) if tb else (inner, columns)))
    kernel = "gemm:" if rows > 16 else "thin:"
    check(lambda g, v: product(g, v, ta, tb), arrays, kernel)


BATCHES: list[tuple[tuple[int, ...], tuple[int, ...], bool, bool, str]] = [
    ((2, 3, 4), (2, 4, 5), False, False, "thin:"),
    ((2, 3, 4), (4, 5), False, False, "thin:"),
    ((2, 3, 20, 4), (2, 3, 17, 4), False, True, "gemm:"),
    ((2, 4, 18), (4, 5), True, False, "gemm:"),
    ((3, 4), (6, 5, 4), False, True, "thin:"),
    ((1, 4, 20), (3, 4, 5), True, False, "gemm:"),
    ((2, 1, 3, 4), (1, 3, 4, 5), False, False, "plain_product:"),
]


@pytest.mark.parametrize(("a", "b", "ta", "tb", "kernel"), BATCHES)
def test_batches(a: tuple[int, ...], b: tuple[int, ...], ta: bool, tb: bool, kernel: str) -> None:
    check(lambda g, v: product(g, v, ta, tb), {"a": integers(0, *a), "b": integers(1, *b)}, kernel)


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_types(dtype: Any) -> None:
    arrays = {"a": integers(0, 2, 3, 4, dtype=dtype), "b": integers(1, 2, 4, 5, dtype=dtype)}
    check(product, arrays, "plain_product:" if dtype == np.float64 else "thin:")


def test_sums_over_much_are_split() -> None:
    """One tile for all multiprocessors of a GPU would be a waste."""
    arrays = {"a": integers(0, 18, 700), "b": integers(1, 700, 8)}
    check(product, arrays, "split_sum:")


@pytest.mark.parametrize("rows", [3, 18])
@pytest.mark.parametrize("masked", [False, True])
def test_what_follows_is_fused(rows: int, masked: bool) -> None:
    def body(b: Builder, v: Mapping[str, Value]) -> Value:
        y = b.op("matmul", v["a"], v["b"], transpose_a=False, transpose_b=True)
        if not masked:
            return b.op("relu", b.op("add", y, v["bias"]))
        above = b.op("gt", v["map"], b.scalar(0.0, y))
        return b.op("where", above, y, b.scalar(0.0, y))

    arrays = {"a": integers(0, rows, 8), "b": integers(1, 12, 8), "bias": integers(2, 12), "map": integers(3, rows, 12)}
    arrays.pop("bias" if masked else "map")
    graph = graph_of(body, types_of(arrays))
    assert [n.attrs["kind"] for n in graph.nodes if n.op == "fused"] == ["dense"]
    check(body, arrays, "gemm:" if rows > 16 else "thin:")


@pytest.mark.parametrize("rows", [0, 1, 7, 40])
def test_one_graph_serves_any_number_of_rows(rows: int) -> None:
    types = {"a": TensorType(DType.F32, (sym("N"), 12)), "b": TensorType(DType.F32, (12, 20))}
    check(product, {"a": integers(0, rows, 12), "b": integers(1, 12, 20)}, "gemm:", types)


@pytest.mark.parametrize(
    ("precision", "arch", "kernel"),
    [
        ("tf32", "80", "gemm:tf32/"),
        ("bf16", "80", "gemm:bf16/"),
        ("f16", "75", "gemm:f16/"),
        ("tf32", "75", "gemm:float32/"),
    ],
)
def test_precisions(precision: str, arch: str, kernel: str) -> None:
    arrays = {"a": integers(0, 18, 8), "b": integers(1, 8, 12)}
    device = Simulator(CudaTarget(arch, small=True))
    check(product, arrays, kernel, device=device, precision=precision)


@pytest.mark.parametrize("precision", ["tf32", "bf16", "f16"])
@pytest.mark.parametrize("rows", [40, None])
def test_warp_groups(precision: str, rows: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if they were the only way: the factors are packed, a weight once."""
    monkeypatch.setattr(product_ways, "tiles", lambda target, precision: [])
    monkeypatch.setattr(product_ways, "_thin", lambda context, problem, count: Way("none", lambda s: 1e9, lambda n: []))
    arrays = {"a": integers(0, 40, 36), "b": integers(1, 12, 36)}
    types = types_of(arrays) | {"a": TensorType(DType.F32, (rows or sym("N"), 36))}
    device = Simulator(CudaTarget("90a", small=True))
    check(lambda g, v: product(g, v, tb=True), arrays, "factor_pack:", types, device=device, precision=precision)
