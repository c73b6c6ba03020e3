"""Tiled products in the simulator: exact on small integers, whatever the sizes and the order of the factors."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.backends.common.epilogue import Epilogue, EpilogueStep
from netlang.backends.cuda.intrinsics import WORDS, conversions
from netlang.backends.cuda.simulator import Memory, run
from netlang.backends.cuda.tiles.block_tile import DEPTH, BlockTile, Precision
from netlang.backends.cuda.tiles.factor_pack import FactorPack
from netlang.backends.cuda.tiles.gemm import Gemm
from netlang.backends.cuda.tiles.split_sum import SplitSum

Array = NDArray[Any]
SMALL = {
    "float32": BlockTile("float32", 32, 32, 8, 8, 2),
    "float32, through registers": BlockTile("float32", 32, 64, 8, 8, 2, asynchronous=False),
    "tf32": BlockTile("tf32", 32, 32, 2, 1, 3),
    "bf16": BlockTile("bf16", 32, 32, 1, 2, 2),
    "f16": BlockTile("f16", 32, 64, 1, 2, 4),
    "f16 of sm_75": BlockTile("f16", 32, 32, 2, 1, 2, asynchronous=False, deep=False),
}
ROUNDED = {
    "float32": np.float32,
    "tf32": lambda x: conversions.number(conversions.tf32_bits(x)),
    "bf16": lambda x: conversions.bf16_number(conversions.bf16_bits(x)),
    "f16": np.float16,
}


PACKED = [("tf32", (False, True)), ("bf16", (True, False)), ("f16", (False, False))]


def put(memory: Memory, array: Array) -> int:
    address = memory.allocate(array.nbytes)
    memory.view(address, array.dtype, array.shape)[...] = array
    return address


def product(
    tile: BlockTile,
    a: Array,
    b: Array,
    orders: tuple[bool, bool],
    epilogue: Epilogue = (),
    operands: tuple[Array, ...] = (),
    splits: int = 1,
) -> Array:
    """a [batch, M, K] times b [batch or 1, K, N] by the kernel, held in memory transposed as `orders` says."""
    (batch, rows, inner), columns = a.shape, b.shape[2]
    memory = Memory()
    places = [
        put(memory, np.ascontiguousarray(x.swapaxes(1, 2) if t else x)) for x, t in zip((a, b), orders, strict=True)
    ]
    others = [put(memory, x) for x in operands]
    out = memory.allocate(4 * batch * rows * columns)
    along = "wide" if inner % 4 == 0 else "rows"
    width = 4 if columns % 4 == 0 else 1
    across = "lines" if width == 4 else "columns"
    kinds: tuple[Any, Any] = ("columns" if orders[0] else along, along if orders[1] else across)
    tile = replace(tile, n_major=kinds[1] == "lines")
    gemm = Gemm(tile, *kinds, width, () if splits > 1 else epilogue, splits > 1)
    tiles = -(-rows // tile.rows), -(-columns // tile.columns)
    steps = -(-inner // (DEPTH * splits))
    numbers = (
        rows,
        columns,
        inner,
        rows if orders[0] else inner,
        inner if orders[1] else columns,
        *tiles,
        splits,
        steps,
    )
    distances = (rows * inner * 4, inner * columns * 4 * (len(b) > 1), batch * rows * columns)
    parts = memory.allocate(4 * splits * batch * rows * columns) if splits > 1 else out
    kernel = gemm.kernel
    args = (*places, parts, *(() if splits > 1 else others), *numbers, *distances)
    grid = (tiles[0] * tiles[1] * splits * batch, 1, 1)
    run(kernel.source(), args, grid, kernel.threads, memory, kernel.shared, kernel.key)
    if splits > 1:
        total, adding = batch * rows * columns, SplitSum(width, epilogue, 32)
        made = adding.kernel
        given = (parts, out, *others, splits, columns, total)
        run(made.source(), given, (adding.blocks(total), 1, 1), made.threads, memory, 0, made.key)
    return memory.view(out, np.float32, (batch, rows, columns)).copy()


def integers(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32)


@pytest.mark.parametrize("orders", [*itertools.product((False, True), repeat=2)])
@pytest.mark.parametrize("name", SMALL)
def test_products_are_exact_past_every_edge(name: str, orders: tuple[bool, bool]) -> None:
    a, b = integers(1, 1, 36, 68), integers(2, 1, 68, 40)
    np.testing.assert_array_equal(product(SMALL[name], a, b, orders), a @ b)


@pytest.mark.parametrize(
    ("name", "orders"), [("float32", (False, True)), ("tf32", (True, False)), ("bf16", (True, True))]
)
def test_no_size_has_to_be_a_multiple_of_anything(name: str, orders: tuple[bool, bool]) -> None:
    a, b = integers(3, 2, 33, 37), integers(4, 2, 37, 35)
    np.testing.assert_array_equal(product(SMALL[name], a, b, orders), a @ b)
    a, b = integers(5, 1, 1, 1), integers(6, 1, 1, 1)
    np.testing.assert_array_equal(product(SMALL[name], a, b, orders), a @ b)


def test_a_factor_that_all_products_share_is_read_again() -> None:
    a, b = integers(7, 3, 5, 8), integers(8, 1, 8, 4)
    np.testing.assert_array_equal(product(SMALL["float32"], a, b, (False, False)), a @ b)


def test_sums_split_over_k_are_added_up() -> None:
    a, b = integers(9, 2, 5, 100), integers(10, 2, 100, 36)
    bias = integers(11, 36)
    steps = (EpilogueStep("channel", "add"), EpilogueStep("apply", "relu"))
    got = product(SMALL["float32"], a, b, (False, False), steps, (bias,), splits=3)
    np.testing.assert_array_equal(got, np.maximum(a @ b + bias, 0))


@pytest.mark.parametrize("columns", [36, 35])
def test_epilogue(columns: int) -> None:
    """Every kind of step, in vectors of four and one by one."""
    a, b = integers(12, 1, 6, 8), integers(13, 1, 8, columns)
    scale, bias, tensor, mask = integers(14, columns), integers(15, columns), *integers(16, 2, 1, 6, columns)
    steps = (
        EpilogueStep("channel", "mul"),
        EpilogueStep("channel", "rsub"),
        EpilogueStep("number", "max", (("value", -20.0),)),
        EpilogueStep("tensor", "add"),
        EpilogueStep("apply", "leaky_relu", (("slope", 0.25),)),
        EpilogueStep("tensor", "mask", (("above", 0.0), ("otherwise", float("-inf")))),
    )
    got = product(SMALL["float32"], a, b, (False, False), steps, (scale, bias, tensor, mask))
    want = np.maximum(bias - a @ b * scale, -20) + tensor
    want = np.where(want > 0, want, want * 0.25)
    np.testing.assert_array_equal(got, np.where(mask > 0, want, -np.inf))


@pytest.mark.parametrize(
    ("op", "attrs", "want"),
    [
        ("relu", (), lambda x: np.maximum(x, 0)),
        ("elu", (("alpha", 0.5),), lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0)))),
        ("sigmoid", (), lambda x: 1 / (1 + np.exp(-x))),
        ("tanh", (), np.tanh),
        ("softplus", (), lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)),
        ("gelu", (("approximate", True),), lambda x: x / 2 * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))),
        ("gelu", (("approximate", False),), lambda x: x * np.array([_normal(v) for v in x.ravel()]).reshape(x.shape)),
    ],
)
def test_activations(op: str, attrs: tuple[tuple[str, Any], ...], want: Any) -> None:
    a, b = integers(17, 1, 2, 4) / 8, integers(18, 1, 4, 4)
    got = product(SMALL["float32"], a, b, (False, False), (EpilogueStep("apply", op, attrs),))
    np.testing.assert_allclose(got, want((a @ b).astype(np.float64)), rtol=2e-6, atol=1e-6)


def _normal(x: float) -> float:
    from math import erf, sqrt

    return (1 + erf(x / sqrt(2))) / 2


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16", "f16"])
def test_factors_are_rounded_to_the_precision_and_sums_are_not(precision: Precision) -> None:
    rng = np.random.default_rng(19)
    a, b = rng.standard_normal((1, 16, 64)).astype(np.float32), rng.standard_normal((1, 64, 32)).astype(np.float32)
    rounded = np.vectorize(ROUNDED[precision], otypes=[np.float64])
    want = rounded(a) @ rounded(b)
    got = product(SMALL[precision], a, b, (False, True))
    np.testing.assert_allclose(got, want, rtol=0, atol=3e-5)
    if precision != "float32":
        assert abs(want - a.astype(np.float64) @ b).max() > 1e-3


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_what_is_no_number_stays_none(precision: Precision) -> None:
    a, b = np.ones((1, 3, 4), np.float32), np.ones((1, 4, 4), np.float32)
    a[0, 0, 1], a[0, 2, 3] = np.nan, np.inf
    got = product(SMALL[precision], a, b, (False, False))
    np.testing.assert_array_equal(got, np.array([np.nan, 4, np.inf], np.float32)[None, :, None].repeat(4, 2))


def test_the_short_way_to_round_to_tf32_is_the_long_one() -> None:
    short, long = WORDS["nearest_tf32"].meaning, WORDS["round_tf32"].meaning
    values = np.random.default_rng(20).integers(0, 1 << 32, 2000, dtype=np.uint32).view(np.float32)
    for value in [*values[~np.isnan(values)], np.float32(np.inf), np.float32(0), np.float32(3.4e38)]:
        assert short(conversions.bits(value)) & 0xFFFFE000 == long(value)
    for bits in (0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000):
        assert np.isnan(conversions.number(short(bits) & 0xFFFFE000))


@pytest.mark.parametrize(("precision", "orders"), PACKED)
def test_products_by_warp_groups_of_packed_factors(precision: Precision, orders: tuple[bool, bool]) -> None:
    """Two row tiles and two column tiles, two stages of k, two products."""
    a, b = integers(21, 2, 70, 70), integers(22, 2, 70, 131)
    pack = [FactorPack(precision, along, 32) for along in (not orders[0], orders[1])]
    words = pack[0].words(70)
    memory = Memory()
    places = []
    for factor, transposed, packing in ((a, orders[0], pack[0]), (b.swapaxes(1, 2), not orders[1], pack[1])):
        source = put(memory, np.ascontiguousarray(factor.swapaxes(1, 2) if transposed else factor))
        lines = factor.shape[0] * factor.shape[1]
        places.append(memory.allocate(4 * lines * words))
        args = (source, places[-1], lines, factor.shape[1], 70, words)
        kernel = packing.kernel
        run(kernel.source(), args, (packing.blocks(lines, 70), 1, 1), kernel.threads, memory, 0, kernel.key)
    out = memory.allocate(4 * 2 * 70 * 131)
    kernel = Gemm(BlockTile(precision, 64, 128, 1, 1, 3, groups=True), "wide", "wide", 1).kernel
    numbers = (70, 131, words, words, words, 2, 2, 1, words // DEPTH, 70 * words * 4, 131 * words * 4, 0)
    run(kernel.source(), (*places, out, *numbers), (8, 1, 1), kernel.threads, memory, kernel.shared, kernel.key)
    np.testing.assert_array_equal(memory.view(out, np.float32, (2, 70, 131)), a @ b)


@pytest.mark.parametrize("precision", ["tf32", "bf16", "f16"])
def test_packing_rounds_and_fills_up_with_zeros(precision: Precision) -> None:
    factor = np.random.default_rng(23).standard_normal((3, 37)).astype(np.float32)
    memory, packing = Memory(), FactorPack(precision, True, 32)
    words, kernel = packing.words(37), packing.kernel
    to = memory.allocate(4 * 3 * words)
    args = (put(memory, factor), to, 3, 3, 37, words)
    run(kernel.source(), args, (packing.blocks(3, 37), 1, 1), kernel.threads, memory, 0, kernel.key)
    if precision == "bf16":
        bits = memory.view(to, np.uint16, (3, 2 * words)).astype(np.uint32) << 16
        got = bits.view(np.float32)
    else:
        got = memory.view(to, np.float32 if precision == "tf32" else np.float16, (3, words * packing.numbers))
    np.testing.assert_array_equal(got[:, :37], np.vectorize(ROUNDED[precision], otypes=[np.float32])(factor))
    assert got.shape[1] % DEPTH == 0 and not got[:, 37:].any()
