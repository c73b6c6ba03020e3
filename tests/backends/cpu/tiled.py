"""Comparing the cpu backend with the reference on graphs of a few ops, built by hand and fused by the passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from netlang.backends.base import Array
from netlang.backends.cpu.backend import lowered
from netlang.backends.cpu.executable import Executable
from netlang.backends.cpu.target import LEVELS, Target, host
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse


def _or_shaped(target: Target) -> Target:
    """`target`, or where its code does not run here, this machine with its shape of registers: the same tiles."""
    here = replace(host(), vector_bytes=target.vector_bytes, registers=target.registers)
    return target if target.runs_here() else here


NARROW, SMALL = (_or_shaped(LEVELS[name]) for name in ("x86-64-v3", "x86-64-v2"))
TARGETS = [host(), NARROW]
ALL_TARGETS = [*TARGETS, SMALL]

Make = Callable[[Builder, Mapping[str, Value]], Mapping[str, Value]]


def graph_of(make: Make, arrays: Mapping[str, Array], fused: bool = True) -> Graph:
    """The graph of `make(builder, inputs by name) -> outputs by name`."""
    b = Builder()
    inputs = {name: b.input(name, TensorType(DType.of(a.dtype), a.shape)) for name, a in arrays.items()}
    graph = Graph("g", inputs=tuple(inputs.values()), outputs=tuple(make(b, inputs).items()))
    return fuse.run(graph) if fused else graph


def compiled(graph: Graph, target: Target, threads: int) -> Executable:
    """As `Cpu.compile`, for a given target."""
    context, steps = lowered(graph, target)
    return Executable(graph, context, steps, threads)


def kernels_of(graph: Graph, target: Target) -> list[str]:
    """The keys of the kernels that a graph is lowered to."""
    _, steps = lowered(graph, target)
    return [step.kernel.key for own in steps.values() for step in own]


def assert_close(got: Array, wanted: Array, what: str, tolerance: float = 1e-4) -> None:
    """Equal up to `tolerance` of the largest magnitude; integers exactly."""
    assert got.shape == wanted.shape and got.dtype == wanted.dtype, what
    if not np.issubdtype(wanted.dtype, np.floating):
        assert np.array_equal(got, wanted), what
        return
    assert np.array_equal(np.isnan(got), np.isnan(wanted)), what
    scale = max(float(np.nanmax(np.abs(wanted), initial=0)), 1e-6)
    assert float(np.nanmax(np.abs(got - wanted), initial=0)) <= tolerance * scale, what


def check(
    make: Make,
    arrays: Mapping[str, Array],
    *,
    target: Target | None = None,
    fused: bool = True,
    tiled: str | None = None,
    tolerance: float = 1e-4,
) -> None:
    """cpu against reference, one thread against two bit for bit. `tiled`: a kernel that must be among those used."""
    graph = graph_of(make, arrays, fused)
    target = target or host()
    if tiled is not None:
        used = kernels_of(graph, target)
        assert any(key.startswith(tiled) for key in used), used
    wanted = Reference().compile(graph).run(arrays, {})
    one, two = (compiled(graph, target, threads).run(arrays, {}) for threads in (1, 2))
    for name, array in wanted.items():
        assert_close(one[name], array, name, tolerance)
        assert np.array_equal(one[name], two[name], equal_nan=array.dtype.kind == "f"), f"{name}: threads"


def normal(seed: int, *shape: int) -> Any:
    """float32 numbers from the normal distribution."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
