"""Which pixel of which image a column of a convolution's tile is.

Without a pool columns are pixels as they lie in memory, image by image. With one they are the pixels of a patch after
the other; patches reach beyond the map, and columns that are left over at the end of a tile have no pixel.
"""

from __future__ import annotations

from netlang.backends.cuda.tiles.conv_structure import ConvStructure, TilePool
from netlang.backends.cuda.tiles.text import Text


def find_pixel(t: Text, s: ConvStructure, column: str) -> None:
    """Set `n`, `h`, `v` (image, row and column of the map) for a column of the tile (int32), and `held`, whether there
    is such a pixel."""
    if s.pool is None:
        t(f"m = i32(i32(block_x() * i32({s.tile.columns})) + {column})")
        split(t, "m", ("n", "h", "v"), ("map_height", "map_width"))
        t("held = m < total")
        return
    pool, (_, across) = s.pool, s.pool.patch_size
    t(
        f"place = i32(div_u32(u32({column}), u32({pool.pixels})))",
        f"inner = i32({column} - i32(place * i32({pool.pixels})))",
        f"y = i32(div_u32(u32(inner), u32({across})))",
    )
    find_patch(t, s, pool)
    t(
        f"h = i32(i32(i32(top * i32({pool.stride[0]})) - i32({pool.low[0]})) + y)",
        f"v = i32(i32(left * i32({pool.stride[1]})) - i32({pool.low[1]}))",
        f"v = i32(v + i32(inner - i32(y * i32({across}))))",
        "held = held and u32(h) < u32(map_height) and u32(v) < u32(map_width)",
    )


def find_patch(t: Text, s: ConvStructure, pool: TilePool) -> None:
    """Set `n`, `top` and `left`, image and place in the result, of the first window of the tile's patch number `place`,
    and `held`, whether there is such a patch."""
    t(
        f"down = i32(div_u32(u32(out_height + i32({pool.patch[0] - 1})), u32({pool.patch[0]})))",
        f"across = i32(div_u32(u32(out_width + i32({pool.patch[1] - 1})), u32({pool.patch[1]})))",
        f"patch = i32(i32(block_x() * i32({s.patches})) + place)",
        f"held = place < i32({s.patches}) and patch < total",
    )
    split(t, "patch", ("n", "top", "left"), ("down", "across"))
    t(f"top = i32(top * i32({pool.patch[0]}))", f"left = i32(left * i32({pool.patch[1]}))")


def split(t: Text, index: str, names: tuple[str, str, str], size: tuple[str, str]) -> None:
    """Image, row and column of an index into all planes of such a size."""
    (n, h, v), (height, width) = names, size
    t(
        f"upper = div_u32(u32({index}), u32({width}))",
        f"{v} = i32({index} - i32(i32(upper) * {width}))",
        f"{n} = i32(div_u32(upper, u32({height})))",
        f"{h} = i32(i32(upper) - i32({n} * {height}))",
    )
