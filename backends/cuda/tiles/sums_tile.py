"""The sums of a tile in shared memory, between the main loop and what follows it.

They lie there by row and column, so that what follows does not depend on which thread computed what: it goes through
them in rows, with vector accesses to device memory, and its code is there once. Chunk c (four columns) of row r is at
c ^ flip(r), so that neither the main loops' stores nor reads of whole rows meet in a bank.
"""

from __future__ import annotations

from collections.abc import Callable

from netlang.backends.cuda.tiles.block_tile import FLOAT, BlockTile
from netlang.backends.cuda.tiles.text import Text


def flip(row: str) -> str:
    """What the chunks of a row of sums are XORed with: 0, 4, 2, 6 for rows 0 to 3."""
    return f"i32(i32(i32({row} & i32(1)) << i32(2)) | i32({row} & i32(2)))"


def exchange(t: Text, put: Callable[[Text], None]) -> None:
    """Have all sums in shared memory: `put` of the main loop stores those of a thread."""
    t("sync()")
    put(t)
    t("sync()")


def read(t: Text, tile: BlockTile, row: str, column: str, width: int, name: str = "v") -> list[str]:
    """Load `width` (1 or 4) sums of a row, from a column on that is a multiple of it, into NAME0 and on; the names."""
    names = [f"{name}{i}" for i in range(width)]
    where = f"i32({row} * i32({tile.columns * FLOAT})) + i32(i32(i32({column} >> i32(2)) ^ {flip(row)}) << i32(4))"
    if width == 1:
        where += f" + i32(i32({column} & i32(3)) << i32(2))"
    word = "load_shared_f32" if width == 1 else f"load{width}_shared_f32"
    t(f"{', '.join(names)} = {word}(base, i32({where}))")
    return names


def each(t: Text, tile: BlockTile, width: int, body: Callable[[], None]) -> None:
    """Have `body` written for every `width` sums of a row; `row` and `column` are int32 variables, inside the tile."""
    groups = tile.columns // width
    t("unit = thread()")
    with t.block(f"while unit < i32({tile.rows * groups}):"):
        t(
            f"row = i32(unit >> i32({groups.bit_length() - 1}))",
            f"column = i32(i32(unit & i32({groups - 1})) * i32({width}))",
        )
        body()
        t(f"unit = i32(unit + i32({tile.threads}))")
