"""The source text of loop nests' kernels."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from netlang import NetError
from netlang.backends.common.nest import Axis, Nest, Operand
from netlang.backends.common.scalars import SCALAR_OPS
from netlang.backends.common.steps import Scratch, evaluated
from netlang.backends.cuda.division import reciprocal
from netlang.backends.cuda.nest_shape import Tiling
from netlang.backends.cuda.nest_steps import nest_launch
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.expressions import EXPRESSIONS

X, Y, Z = Scratch(0), Scratch(0), Scratch(0)


def test_there_is_an_expression_for_every_scalar_op() -> None:
    assert EXPRESSIONS.keys() == SCALAR_OPS


def added(shape: Sequence[int], strides: Sequence[int], other: Sequence[int]) -> Nest:
    """relu(x + y) -> z, y of strides of its own."""
    nest = Nest([Axis(n, False) for n in shape])
    x = nest.load(Operand(X, "f32", tuple(strides)))
    total = nest.add("add", "f32", [x, nest.load(Operand(Y, "f32", tuple(other)))])
    nest.stores.append((Operand(Z, "f32", tuple(strides)), nest.add("relu", "f32", [total])))
    return nest


def summed(shape: Sequence[int], reduced: Sequence[bool], strides: Sequence[int], kept: Sequence[int]) -> Nest:
    """The sum of x -> y, its strides `kept`."""
    nest = Nest([Axis(n, r) for n, r in zip(shape, reduced, strict=True)])
    total = nest.add("reduce_sum", "f32", [nest.load(Operand(X, "f32", tuple(strides)))])
    nest.stores.append((Operand(Y, "f32", tuple(kept)), total))
    return nest


def source(launch: Launch) -> str:
    text: str = launch.kernel.source()
    return text


def test_four_neighbours_are_one_access_of_16_bytes() -> None:
    launch = nest_launch(added([1024], [1], [1]), Tiling(lanes=4), [0, 1, 2])
    assert source(launch) == (
        """\
def kernel(units, a0, a1, a2):
    unit = u32(u32(block_x()) * u32(256) + u32(thread()))
    if unit < u32(units):
        o5 = i32(unit * 4)
        x1, x2, x3, x4 = load4_f32(a0, i64(o5) * 4)
        x6, x7, x8, x9 = load4_f32(a1, i64(o5) * 4)
        v10 = x1 + x6
        v11 = max_f32(v10, f32(0.0))
        v12 = x2 + x7
        v13 = max_f32(v12, f32(0.0))
        v14 = x3 + x8
        v15 = max_f32(v14, f32(0.0))
        v16 = x4 + x9
        v17 = max_f32(v16, f32(0.0))
        store4_f32(a2, i64(o5) * 4, (v11, v13, v15, v17))
"""
    )
    assert [evaluated(n, {}) for n in launch.grid] == [1, 1, 1]  # type: ignore[arg-type]


def test_a_broadcast_operand_has_an_offset_of_its_own() -> None:
    launch = nest_launch(added([8, 3, 5], [15, 5, 1], [0, 1, 0]), Tiling(), [])
    assert source(launch) == (
        """\
def kernel(units, size1, factor1, shift1, size2, factor2, shift2, s1_1, a0, a1, a2):
    unit = u32(u32(block_x()) * u32(256) + u32(thread()))
    if unit < u32(units):
        q1 = quotient_u32(unit, u32(factor2), u32(shift2))
        q2 = quotient_u32(q1, u32(factor1), u32(shift1))
        at3 = i32(q1 - q2 * u32(size1))
        o4 = i32(unit)
        x5 = load_f32(a0, i64(o4) * 4)
        o6 = i32(at3 * s1_1)
        x7 = load_f32(a1, i64(o6) * 4)
        v8 = x5 + x7
        v9 = max_f32(v8, f32(0.0))
        store_f32(a2, i64(o4) * 4, v9)
"""
    )


def test_rows_are_summed_by_a_block_each() -> None:
    launch = nest_launch(summed([6, 1024], [False, True], [1024, 1], [1, 0]), Tiling(1, 64, 64), [])
    lines = source(launch).splitlines()
    assert lines[0] == "def kernel(units, length, s0_0, a0, a1):"
    assert [line.split("(")[0].strip() for line in lines if "shuffle" in line or "sync" in line] == [
        *["t7 = shuffle_xor_f32", "t9 = shuffle_xor_f32", "t11 = shuffle_xor_f32", "t13 = shuffle_xor_f32"],
        *["t15 = shuffle_xor_f32", "sync", "t18 = shuffle_xor_f32"],
    ]
    assert lines[-2:] == ["    if part == 0:", "        store_f32(a1, i64(o3) * 4, sum19)"]
    assert launch.kernel.shared == 4 * 2
    assert [evaluated(n, {}) for n in launch.grid] == [6, 1, 1]  # type: ignore[arg-type]


def test_columns_are_summed_side_by_side() -> None:
    launch = nest_launch(summed([100, 64], [True, False], [64, 1], [0, 1]), Tiling(4, 2, 32), [0, 1])
    assert "x8, x9, x10, x11 = load4_f32(a0, i64(o12) * 4)" in source(launch)
    assert "if active and part == 0:\n        store4_f32(a1, i64(o3) * 4, (sum15, sum18, sum21, sum24))" in source(
        launch
    )
    assert launch.kernel.shared == 4 * 4 * 32
    assert [evaluated(n, {}) for n in launch.grid] == [1, 1, 1]  # type: ignore[arg-type]


def test_too_many_elements_are_told_when_sizes_are_known() -> None:
    nest = added([1 << 16, 1 << 15], [1 << 15, 1], [0, 1])
    with pytest.raises(NetError, match=r"(?s)a loop reaches over 2,147,483,648 elements.*smaller batch"):
        evaluated(nest_launch(nest, Tiling(), []).args[0], {})  # type: ignore[arg-type]


@pytest.mark.parametrize("divisor", [1, 2, 3, 5, 7, 641, 4096, 65537, (1 << 30) + 1, (1 << 31) - 1])
def test_division_by_a_product(divisor: int) -> None:
    factor, shift = reciprocal(divisor)
    assert factor < 1 << 32
    multiples = [k * divisor + d for k in (0, 1, 2, 3, (1 << 31) // divisor - 1) for d in (-1, 0, 1)]
    for n in (*multiples, (1 << 31) - 1, 123456789):
        if 0 <= n < 1 << 31:
            assert ((n * factor >> 32) + n) >> shift == n // divisor
