"""Kernels of loop nests in every tiling, in the simulator, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from netlang.backends.common.nest import Axis, Nest, Operand, collapsed
from netlang.backends.common.nest_build import row_major
from netlang.backends.common.steps import At, Scratch
from netlang.backends.cuda.copy_bytes import copy_bytes
from netlang.backends.cuda.nest_shape import Tiling
from netlang.backends.cuda.nest_split import split
from netlang.backends.cuda.nest_steps import nest_launch
from netlang.ir.graph import Value
from tests.backends.compared import feed_of, graph_of
from tests.backends.cuda.simulated import against_reference
from tests.backends.cuda.simulated.nest_runs import Array, carried_out
from tests.backends.fused_loops import fused, loops

WALKING = [Tiling(1, r, t) for r, t in ((1, 32), (4, 32), (32, 32), (32, 64), (64, 64), (64, 128))]
STANDING = [Tiling(1, r, t) for r, t in ((1, 32), (2, 32), (8, 64), (32, 32))]


def normalised(shape: tuple[int, ...], reduced: tuple[bool, ...], x: Scratch, y: Scratch, z: Scratch) -> Nest:
    """x - mean(x) -> y and the sum of its squares -> z: a sum that depends on another one, elements and units."""
    nest = Nest([Axis(n, r) for n, r in zip(shape, reduced, strict=True)])
    count = int(np.prod([n for n, r in zip(shape, reduced, strict=True) if r]))
    value = nest.load(Operand(x, "f32", row_major(shape)))
    mean = nest.add("div", "f32", [nest.add("reduce_sum", "f32", [value]), nest.number(count, "f32")])
    centred = nest.add("sub", "f32", [value, mean])
    kept = iter(row_major([n for n, r in zip(shape, reduced, strict=True) if not r]))
    strides = tuple(0 if r else next(kept) for r in reduced)
    nest.stores.append((Operand(y, "f32", row_major(shape)), centred))
    squares = nest.add("reduce_sum", "f32", [nest.add("mul", "f32", [centred, centred])])
    nest.stores.append((Operand(z, "f32", strides), squares))
    return nest


def expected(values: Array, reduced: tuple[bool, ...]) -> tuple[Array, Array]:
    """What `normalised` makes of x."""
    axes = tuple(i for i, r in enumerate(reduced) if r)
    centred = values - values.mean(axes, keepdims=True)
    return centred, np.asarray((centred**2).sum(axes))


def normalise(shape: tuple[int, ...], reduced: tuple[bool, ...], tiling: Tiling) -> None:
    x, y, z = (Scratch(0) for _ in range(3))
    nest = normalised(shape, reduced, x, y, z)
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    centred, squares = expected(values, reduced)
    launch = nest_launch(nest, tiling, [0, 1] if tiling.lanes > 1 else [])
    arrays = {x: values, y: np.zeros_like(values), z: np.zeros_like(squares)}
    found = carried_out([launch], arrays)
    np.testing.assert_allclose(found[y], centred, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[z], squares, rtol=1e-4)


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("tiling", WALKING, ids=str)
def test_the_last_axis_is_reduced(tiling: Tiling, lanes: int) -> None:
    tiling = Tiling(lanes, tiling.reducers, tiling.threads)
    normalise((5, 44), (False, True), tiling)
    normalise((3, 4, 20), (True, False, True), tiling)


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("tiling", STANDING, ids=str)
def test_the_last_axis_is_kept(tiling: Tiling, lanes: int) -> None:
    tiling = Tiling(lanes, tiling.reducers, tiling.threads)
    normalise((19, 12), (True, False), tiling)
    normalise((2, 7, 3, 8), (False, True, True, False), tiling)


@pytest.mark.parametrize("lanes", [1, 4])
def test_a_kernel_goes_over_an_axis_backwards_and_with_a_stride(lanes: int) -> None:
    x, y = Scratch(0), Scratch(0)
    nest = Nest([Axis(3, False), Axis(8, False)])
    nest.stores.append((Operand(y, "f32", (8, 1)), nest.load(Operand(x, "f32", (-16, 2 if lanes == 1 else 1), 32))))
    values = np.arange(48, dtype=np.float32).reshape(3, 16)
    found = carried_out([nest_launch(nest, Tiling(lanes, 1, 32), [0, 1] if lanes == 4 else [])], {
        x: values, y: np.zeros((3, 8), np.float32)
    })  # fmt: skip
    assert np.array_equal(found[y], values[::-1, ::2] if lanes == 1 else values[::-1, :8])


@pytest.mark.parametrize("count", [0, 1, 15, 16, 1024, 2100])
@pytest.mark.parametrize(("source", "target"), [(0, 0), (4, 8), (1, 3), (0, 2)])
def test_bytes_are_copied_wherever_they_are(count: int, source: int, target: int) -> None:
    x, y = Scratch(0), Scratch(0)
    bytes = np.random.default_rng(count).integers(0, 255, 3000).astype(np.uint8)
    step = copy_bytes(At(x, source), At(y, target), count)
    found = carried_out([step], {x: bytes, y: np.full(3000, 255, np.uint8)})[y]
    assert np.array_equal(found[target : target + count], bytes[source : source + count])
    assert (found[:target] == 255).all() and (found[target + count :] == 255).all()


@pytest.mark.parametrize(
    ("shape", "reduced"),
    [((5, 44), (False, True)), ((43, 12), (True, False)), ((3, 4, 20), (True, False, True)), ((300,), (True,))],
)
@pytest.mark.parametrize("chunks", [2, 8])
def test_long_units_are_cut_into_chunks(shape: tuple[int, ...], reduced: tuple[bool, ...], chunks: int) -> None:
    x, y, z = (Scratch(0) for _ in range(3))
    pieces = split(normalised(shape, reduced, x, y, z), chunks, Scratch)
    assert [found.chunks for found in pieces] == [chunks, 1, chunks, 1, 1]
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    want, squares = expected(values, reduced)
    steps = [nest_launch(collapsed(found.nest), Tiling(1, 4, 32), [], found.chunks) for found in pieces[:-1]]
    steps.append(nest_launch(collapsed(pieces[-1].nest), Tiling(1, 1, 32), []))
    found = carried_out(steps, {x: values, y: np.zeros_like(values), z: np.zeros_like(squares)})
    np.testing.assert_allclose(found[y], want, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[z], squares, rtol=1e-4)


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(loops())
def test_random_loops(case: tuple[list[Value], list[Value], list[Array]]) -> None:
    inputs, results, arrays = case
    node = fused(inputs, results)
    against_reference.check(graph_of(node.inputs, *node.results), feed_of(arrays), 1e-4)
