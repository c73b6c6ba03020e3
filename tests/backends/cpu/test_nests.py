"""Loop nests: random graphs of elementwise ops and reductions, fused into one node, against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import netlang.ops  # noqa: F401
from netlang.backends.common.lowered.loops import nest_of
from netlang.backends.common.nest import collapsed
from netlang.backends.common.whole import lower_node
from netlang.backends.cpu import Cpu
from netlang.backends.cpu.loader import _engine
from netlang.backends.cpu.lower import LoweringContext
from netlang.backends.cpu.target import host
from netlang.ir.dims import sym
from netlang.ir.graph import Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse
from tests.backends.cpu.against_reference import Array, B, check, feed_of, graph_of, inputs_like
from tests.backends.fused_loops import fused, loops

MANY = settings(max_examples=25, deadline=None, derandomize=True)


def run_fused(inputs: list[Value], results: list[Value], arrays: list[Array], threads: int = 1) -> dict[str, Array]:
    node = fused(inputs, results)
    return check(graph_of(node.inputs, *node.results), feed_of(arrays), 1e-4, threads)


@MANY
@given(loops())
def test_random_loops(case: tuple[list[Value], list[Value], list[Array]]) -> None:
    run_fused(*case)


def test_rows_that_use_their_own_reductions() -> None:
    """Layer normalisation: mean, variance and the result in one node, three sweeps."""
    x = np.random.default_rng(0).normal(size=(7, 3, 45)).astype(np.float32)
    (value,) = inputs_like([x])
    mean = B.op("reduce_mean", value, axes=(1, 2), keepdims=True)
    centred = B.sub(value, mean)
    var = B.op("reduce_mean", B.mul(centred, centred), axes=(1, 2), keepdims=True)
    y = B.div(centred, B.op("sqrt", B.add(var, B.scalar(1e-5, var))))
    run_fused([value], [y, mean], [x])


def test_softmax_of_every_axis_and_long_rows() -> None:
    x = np.random.default_rng(0).normal(size=(3, 40, 33)).astype(np.float32) * 30
    (value,) = inputs_like([x])
    check(graph_of([value], *(B.op("softmax", value, axis=a) for a in range(3))), feed_of([x]))
    check(graph_of([value], *(B.op("log_softmax", value, axis=a) for a in range(3))), feed_of([x]))


def test_a_long_sum_is_taken_in_chunks() -> None:
    x = np.random.default_rng(0).normal(size=(300, 301)).astype(np.float32)
    (value,) = inputs_like([x])
    norm = B.op("sqrt", B.sum(B.mul(value, value), (0, 1)))
    graph = graph_of([value], norm, B.op("reduce_mean", value, axes=(0, 1)), B.op("reduce_max", value, axes=(0, 1)))
    compiled = Cpu().compile(graph)
    assert len(compiled.steps) > len([n for n in graph.nodes if n.op.startswith("reduce")])
    check(graph, feed_of([x]))


def test_contiguous_axes_are_one_loop() -> None:
    x = B.input("x", TensorType(DType.F32, (sym("N"), 3, 5, 7)))
    node = B.node("relu", x)
    context = LoweringContext(graph_of([x], node.out), target=host())
    nest = nest_of(context, node)
    assert nest is not None
    assert [str(a.size) for a in collapsed(nest).axes] == ["105*N"]
    bias = B.input("b", TensorType(DType.F32, (3, 1, 1)))
    nest = nest_of(context, B.node("add", x, bias))
    assert nest is not None
    assert [str(a.size) for a in collapsed(nest).axes] == ["N", "3", "35"]


def test_the_same_structure_is_the_same_kernel() -> None:
    """Sizes are arguments: other shapes need no other code."""

    def key(shape: tuple[int, ...]) -> str:
        x = B.input("x", TensorType(DType.F32, shape))
        (step,) = Cpu().compile(graph_of([x], B.op("relu", x))).steps
        return step.kernel.key

    assert key((4, 5)) == key((100,)) == key((2, 3, 4, 5))


def test_elementwise_code_uses_whole_registers() -> None:
    if host().vector_bytes < 32:
        pytest.skip("this machine has no registers wider than 128 bits")
    from netlang.backends.cpu.compile import compile_kernel

    x = B.input("x", TensorType(DType.F32, (sym("N"), 8)))
    (step,) = Cpu().compile(graph_of([x], B.op("exp", B.add(x, x)))).steps[-1:]
    _engine()
    register = "zmm" if host().vector_bytes == 64 else "ymm"
    lines = compile_kernel(step.kernel, "netlang_test_registers").assembly.splitlines()
    assert sum(register in line and "vfmadd" in line for line in lines) >= 6


def test_random_numbers_fuse_and_are_those_of_the_reference() -> None:
    key, x = np.array([2**33 + 5, 7]), np.random.default_rng(0).normal(size=(9, 50)).astype(np.float32)
    inputs = inputs_like([key, x])
    noise = B.op("uniform", inputs[0], shape=(9, 50), stream=3, dtype=DType.F32)
    kept = B.op("where", B.op("lt", noise, B.scalar(0.5, noise)), inputs[1], B.scalar(0.0, inputs[1]))
    out = run_fused(inputs, [noise, kept], [key, x])
    assert 0.4 < (out["y1"] == 0).mean() < 0.6


def test_very_long_chains() -> None:
    """Neither recursion nor the number of paths through the graph may limit a body."""
    x = np.random.default_rng(0).normal(size=(3, 21)).astype(np.float32)
    (value,) = inputs_like([x])
    chain = value
    for _ in range(400):
        chain = B.scale(B.add(chain, chain), 0.5)
    run_fused([value], [chain, B.sum(chain, (0, 1))], [x])


def test_what_may_be_written_over_where_rows_are_reduced() -> None:
    """A map may be written over one that sums were taken of before, but not over one that is still to be summed up."""
    x, dy = inputs_like([np.zeros((3, 20, 4, 5), np.float32)] * 2)
    mean = B.op("reduce_mean", B.mul(x, dy), axes=(0, 2, 3), keepdims=True)
    late = B.sub(dy, B.mul(x, mean))
    assert in_place([x, dy], [late]) == {0, 1}
    assert in_place([x, dy], [late, mean]) == {0, 1}
    assert in_place([x, dy], [B.op("exp", dy), late]) == set()


def in_place(inputs: list[Value], results: list[Value]) -> set[int]:
    """The inputs of a fused loop that results may be written over."""
    node = fused(inputs, results)
    context = LoweringContext(graph_of(node.inputs, *node.results), target=host())
    lower_node(context, node)
    return context.in_place[node]


def test_a_map_written_over_its_own_gradient() -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=(3, 20, 7, 9)).astype(np.float32) for _ in range(2)]
    x, dy = inputs_like(arrays)
    given = B.op("exp", dy)  # made by the graph, so that its memory may be used again
    first = B.op("tanh", given)
    mean = B.op("reduce_mean", B.mul(x, first), axes=(0, 2, 3), keepdims=True)
    graph = fuse.run(graph_of([x, dy], B.sub(first, B.mul(x, mean))))
    check(graph, feed_of(arrays), 1e-5, 2)
