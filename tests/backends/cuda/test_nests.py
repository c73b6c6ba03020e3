"""The source text of loop nests' kernels."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from netlang import NetError
from netlang.backends.common.nest import Axis, Nest, Operand
from netlang.backends.common.nest_build import build_nest
from netlang.backends.common.scalars import SCALAR_OPS
from netlang.backends.common.steps import Scratch, evaluated
from netlang.backends.cuda import toolchain, updates
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.division import reciprocal
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.nest_shape import Tiling
from netlang.backends.cuda.nest_steps import nest_launch, writes_in_place
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.expressions import EXPRESSIONS
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse
from tests.backends.compared import B, graph_of
from tests.backends.cuda import needs
from tests.backends.cuda.momentum import momentum

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
    assert [line.strip() for line in lines if "while" in line or "j = " in line] == [
        *["j = part", "while j < i32(end - 192):", "j = i32(j + 256)", "while j < end:", "j = i32(j + 64)"]
    ]
    met = [line.split("= ")[-1].split("(")[0].strip() for line in lines if "shuffle" in line or "sync" in line]
    assert met == [*["shuffle_xor_f32"] * 5, "sync", "shuffle_xor_f32"]
    assert [line.split(", sum")[0] for line in lines[-2:]] == ["    if part == 0:", "        store_f32(a1, i64(o3) * 4"]
    assert launch.kernel.shared == 4 * 2
    assert [evaluated(n, {}) for n in launch.grid] == [6, 1, 1]  # type: ignore[arg-type]


def test_columns_are_summed_side_by_side() -> None:
    launch = nest_launch(summed([100, 64], [True, False], [64, 1], [0, 1]), Tiling(4, 2, 32), [0, 1])
    assert source(launch).count("load4_f32(a0, ") == 3
    assert "if active and part == 0:\n        store4_f32(a1, i64(o3) * 4, (sum" in source(launch)
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


def test_what_results_may_be_written_over() -> None:
    x, y, row = (B.input(n, TensorType(DType.F32, s)) for n, s in (("x", (6, 8)), ("y", (6, 8)), ("row", (6,))))

    def allowed(*results: Value) -> set[str]:
        graph = graph_of((x, y, row), *results)
        nest = build_nest(LoweringContext(graph), {v: v for v in graph.inputs}, [(v, v) for v in results])
        assert nest is not None
        read = {o.buffer for o in nest.loads}
        return {v.node.name for v in graph.inputs if v in read and writes_in_place(nest, v)}

    assert allowed(B.add(x, y)) == {"x", "y"}
    assert allowed(B.op("softmax", x, axis=1)) == {"x"}
    sums = B.sum(B.mul(x, y), (1,))
    assert allowed(B.add(sums, row)) == {"row"}
    # The first sweep stores already, while others are still to read.
    shifted = B.add(x, B.along(row, 2, 0))
    assert allowed(shifted, B.sum(shifted, (1,))) == {"x"}
    centred = B.sub(shifted, B.op("reduce_mean", shifted, axes=(1,), keepdims=True))
    assert allowed(shifted, centred) == set()


def tensor(name: str, *shape: int, dtype: DType = DType.F32) -> Value:
    return B.input(name, TensorType(dtype, shape))


def compiled() -> dict[str, Graph]:
    """Loops of every kind."""
    x, half, whole = tensor("x", 64, 256, 56, 56), tensor("x", 999, dtype=DType.F16), tensor("x", 99, dtype=DType.I64)
    scale, rows, classes = tensor("s", 256), tensor("x", 512, 1000), tensor("t", 512, dtype=DType.I64)
    key = tensor("k", 2, dtype=DType.I64)
    kinds = (DType.I8, DType.BF16, DType.BOOL, DType.F64)
    random = [B.op(op, key, shape=(999,), stream=1, dtype=DType.F32) for op in ("uniform", "normal")]
    return {
        "functions": graph_of((rows,), *(B.op(op, rows) for op in ("tanh", "erf", "sigmoid", "softplus", "log"))),
        "powers": graph_of((rows,), B.op("pow", rows, rows), B.op("gelu", rows, approximate=True)),
        "casts": graph_of((half, whole), *(B.op("cast", v, dtype=d) for v in (half, whole) for d in kinds)),
        "random numbers": graph_of((key,), *random),
        "softmax": graph_of((rows,), B.op("softmax", rows, axis=1)),
        "columns": graph_of((rows,), B.op("reduce_max", rows, axes=(0,)), B.op("reduce_mean", rows, axes=(0,))),
        "cross entropy": graph_of((rows, classes), B.op("cross_entropy", rows, classes)),
        "statistics": graph_of((x, scale), *B.node("batchnorm_train", x, scale, scale, eps=1e-5).results),
        "shuffled": graph_of((x,), B.op("transpose", x, perm=(0, 2, 3, 1))),
        "updates": updates.run(fuse.run(momentum(((64, 64), (10,)), (0.0, 0.0)))),
    }


GRAPHS = compiled()
ARCHITECTURES = {"75": ("casts", "statistics"), "80": tuple(GRAPHS), "90": ("updates",), "100": ("softmax", "casts")}


@needs.compiler
@pytest.mark.parametrize(("arch", "name"), [(arch, name) for arch, names in ARCHITECTURES.items() for name in names])
def test_machine_code_without_spills(arch: str, name: str) -> None:
    _, steps = lowered(GRAPHS[name], CudaTarget(arch))
    kernels = {step.kernel.key: step.kernel for own in steps.values() for step in own}
    assert kernels
    for kernel in kernels.values():
        made = toolchain.cubin(kernel, arch).resources
        assert (made.stack, made.spills) == (0, 0), kernel.key
        assert made.registers * kernel.threads <= 65536, kernel.key
