"""Tiled products by a kernel that computes each element by itself: from and to the same places, in far less time."""

from __future__ import annotations

from netlang.backends.cuda.tiles import gemm
from netlang.backends.cuda.tiles.block_tile import DEPTH

_PLACES = {
    "wide": "{row} * {name}_pitch + k",
    "columns": "k * {name}_pitch + {row}",
    "lines": "k * {name}_pitch + {row}",
}
_SOURCE = """
def kernel({arguments}):
    tiles = i32(row_tiles * column_tiles)
    tile, rest = block_x() % tiles, block_x() // tiles
    split, batch = rest % splits, i64(rest // splits)
    row, column = tile // column_tiles * {tile.rows}, tile % column_tiles * {tile.columns}
    at = thread()
    while at < {tile.rows} * {tile.columns}:
        r, c = row + at // {tile.columns}, column + at % {tile.columns}
        if r < rows and c < columns:
            sum, k = f32(0), split * split_steps * {depth}
            end = min(inner, k + split_steps * {depth})
            while k < end:
                x = load_f32(u64(a + batch * a_batch), i64(({a}) * 4))
                sum = fma_f32(x, load_f32(u64(b + batch * b_batch), i64(({b}) * 4)), sum)
                k += 1
            store_f32(out, i64((split * split_pitch + (batch * rows + r) * columns + c) * 4), sum)
        at += {tile.threads}
"""


def source(product: gemm.Gemm) -> str:
    """The text of the kernel, for products without an epilogue."""
    assert not product.epilogue
    arguments = ", ".join(("a", "b", "out", *gemm.NUMBERS, *gemm.DISTANCES))
    a, b = (_PLACES[kind].format(name=n, row=r) for kind, n, r in ((product.a, "a", "r"), (product.b, "b", "c")))
    return _SOURCE.format(arguments=arguments, tile=product.tile, depth=DEPTH, a=a, b=b)
