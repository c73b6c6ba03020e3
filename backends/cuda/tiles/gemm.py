"""The kernel of tiled products: out[b, M, N] = epilogue(A[b, M, K] B[b, K, N]), each factor in either order.

A block computes one tile, or, where tiles are few, a part of the sum over k of one; these parts go to memory of their
own and `split_sum` adds them up in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from netlang.backends.common.epilogue import Epilogue
from netlang.backends.cuda.kernel import WARP, Kernel
from netlang.backends.cuda.tiles import epilogue, sums_tile
from netlang.backends.cuda.tiles.block_tile import DEPTH, BlockTile
from netlang.backends.cuda.tiles.ffma_loop import FfmaLoop
from netlang.backends.cuda.tiles.line_copies import MatrixLines
from netlang.backends.cuda.tiles.matrix_copies import Kind, MatrixCopies, depth_left
from netlang.backends.cuda.tiles.mma_loop import MmaLoop
from netlang.backends.cuda.tiles.stages import ring
from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.wgmma_loop import WgmmaLoop

NUMBERS = (
    "rows", "columns", "inner", "a_pitch", "b_pitch", "row_tiles", "column_tiles", "splits", "split_steps",
)  # fmt: skip
"""int32 arguments: M, N, K; elements from a line of A and of B to the next; tiles; parts of k, and stages in each."""
DISTANCES = ("a_batch", "b_batch", "split_pitch")
"""int64 arguments: bytes from one matrix to the next, 0 where all products share it; elements of one part's sums."""

_SCHEDULERS = 4
"""Of a multiprocessor."""
_FEW_THREADS = 64


@dataclass(frozen=True)
class Gemm:
    """a, b     how the factors lie in memory; packed ones (`FactorPack`) are "wide", K counting words of four bytes
    width       4 if N is a multiple of 4, and out and all operands lie on multiples of 16 bytes; else 1
    epilogue    what is done with sums; nothing where k is `split`
    """

    tile: BlockTile
    a: Kind
    b: Kind
    width: int
    epilogue: Epilogue = ()
    split: bool = False

    @property
    def key(self) -> str:
        steps = ";".join(map(str, self.epilogue))
        return f"gemm:{self.tile.key}:{self.a}:{self.b}:{self.width}{':split' if self.split else ''}:{steps}"

    @property
    def kernel(self) -> Kernel:
        """Arguments: A, B, out, the operands of the epilogue, NUMBERS, DISTANCES. The blocks of the grid are one row:
        column tiles, then row tiles, then parts of k, then products."""
        pointers = "ppp" + "p" * len(epilogue.arguments(self.epilogue))
        arguments = pointers + "i" * len(NUMBERS) + "l" * len(DISTANCES)
        tile = self.tile
        return Kernel(self.key, partial(source, self), arguments, tile.threads, tile.shared, resident_bound(tile))


def resident_bound(tile: BlockTile) -> int:
    """Blocks that are to fit on a multiprocessor. For mma.sync the compiler does best without a bound."""
    return blocks_of(tile, warps(tile)) if tile.precision == "float32" else 0


def warps(tile: BlockTile) -> int:
    """Of a scheduler at a time, so that a thread's 64 sums by FFMA stay in registers: it has 128 for each thread of
    four warps, 168 for three and 255 for two. Where few threads copy all that a stage has they take more."""
    return 3 if tile.precision == "float32" and tile.threads <= _FEW_THREADS else 4


def blocks_of(tile: BlockTile, warps: int) -> int:
    """On a multiprocessor with so many warps on each of its schedulers."""
    return max(1, _SCHEDULERS * warps * WARP // tile.threads)


def source(gemm: Gemm) -> str:
    """The text of the kernel."""
    tile, t = gemm.tile, Text()
    of_b = MatrixLines(tile) if gemm.b == "lines" else MatrixCopies(tile, "b", gemm.b)
    names = ["a", "b", "out", *epilogue.arguments(gemm.epilogue), *NUMBERS, *DISTANCES]
    t.open(f"def kernel({', '.join(names)}):")
    _places(t, tile)
    multiply(t, tile, [MatrixCopies(tile, "a", gemm.a), of_b], "split_steps")
    sums_tile.each(t, tile, gemm.width, lambda: _result(t, gemm))
    return str(t)


def multiply(t: Text, tile: BlockTile, copies: Sequence[MatrixCopies | MatrixLines], most: str = "") -> None:
    """All sums of a tile, in shared memory (`sums_tile`): over what is `left` of k, of `most` stages if given."""
    loop = main_loop(tile)
    for part in copies:
        part.begin(t)
    loop.begin(t)

    def load(stage: str) -> None:
        for part in copies:
            part.load(t, stage)
        depth_left(t)

    steps = f"i32(i32(left + i32({DEPTH - 1})) >> i32({DEPTH.bit_length() - 1}))"
    ring(t, tile, f"min_i32({most}, {steps})" if most else steps, load, lambda stage: loop.stage(t, stage))
    sums_tile.exchange(t, loop.put)


def main_loop(tile: BlockTile) -> FfmaLoop | MmaLoop | WgmmaLoop:
    """What multiplies in a tile of this precision."""
    if tile.groups:
        return WgmmaLoop(tile)
    return FfmaLoop(tile) if tile.precision == "float32" else MmaLoop(tile)


def _places(t: Text, tile: BlockTile) -> None:
    """Which tile of which product, and which part of k, this block has."""
    t("base = shared_base()", "rest = u32(block_x())")
    for name, count in (("column_tile", "column_tiles"), ("row_tile", "row_tiles"), ("split", "splits")):
        t(
            f"above = div_u32(rest, u32({count}))",
            f"{name} = i32(rest - u32(above * u32({count})))",
            "rest = above",
        )
    t(
        "a = u64(a + u64(rest) * u64(a_batch))",
        "b = u64(b + u64(rest) * u64(b_batch))",
        f"a_first = i32(row_tile * i32({tile.rows}))",
        f"b_first = i32(column_tile * i32({tile.columns}))",
        "a_last = i32(i32(rows - a_first) - i32(1))",
        "b_last = i32(i32(columns - b_first) - i32(1))",
        f"first_k = i32(i32(split * split_steps) * i32({DEPTH}))",
        "left = i32(inner - first_k)",
        "corner = i64(i64(i64(rest) * i64(rows) + i64(a_first)) * i64(columns) + i64(b_first))",
        "corner = i64(corner + i64(split) * split_pitch)",
    )


def _result(t: Text, gemm: Gemm) -> None:
    """What is done with `width` sums of the tile."""
    with t.block("if row <= a_last and column <= b_last:"):
        values = sums_tile.read(t, gemm.tile, "row", "column", gemm.width)
        t("element = i64(corner + i64(row) * i64(columns) + i64(column))")
        epilogue.apply(t, gemm.epilogue, values, "i32(b_first + column)", "element")
        store(t, "out", "element", values)


def store(t: Text, address: str, element: str, values: Sequence[str]) -> None:
    """Store one or four float32 from an element on."""
    word = "store_f32" if len(values) == 1 else f"store{len(values)}_f32"
    value = values[0] if len(values) == 1 else f"({', '.join(values)})"
    t(f"{word}({address}, i64({element} * i64(4)), {value})")
