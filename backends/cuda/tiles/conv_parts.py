"""Sums of a split convolution in memory: [part, group, tile of pixels, channel, column], the channels padded."""

from __future__ import annotations

from collections.abc import Sequence

from netlang.backends.cuda.tiles import sums_tile
from netlang.backends.cuda.tiles.conv_structure import ConvStructure
from netlang.backends.cuda.tiles.text import Text

_FLOAT = 4


def places(z: str) -> tuple[str, str]:
    """Lines that say which part of which group the block at `z` of the grid has."""
    return f"split = i32(div_u32(u32({z}), u32(groups)))", f"group = i32({z} - i32(split * groups))"


def write_part(t: Text, s: ConvStructure) -> None:
    """Store the sums of a tile, which are in shared memory."""
    # Found anew: kept, they would take registers in the main loop.
    t(*places("again_i32(block_z())"))
    t("plane_of = i64(i64(i64(i64(i64(split) * i64(groups)) + i64(group)) * i64(blocks_x())) + i64(block_x()))")
    t(f"plane_of = i64(i64(plane_of * i64(pitch)) + i64(i32(block_y() * i32({s.tile.rows}))))")

    def store() -> None:
        values = sums_tile.read(t, s.tile, "row", "column", 4)
        t(
            f"element = i64(i64(i64(plane_of + i64(row)) * i64({s.tile.columns})) + i64(column))",
            f"store4_f32(parts, i64(element * i64({_FLOAT})), ({', '.join(values)}))",
        )

    sums_tile.each(t, s.tile, 4, store)


def read_sums(t: Text, s: ConvStructure, column: str, width: int) -> Sequence[str]:
    """The whole sums of channel `in_group`, from a column of the tile on: names of variables."""
    names, parts = [f"v{i}" for i in range(width)], [f"part{i}" for i in range(width)]
    word = f"load{width if width > 1 else ''}_fixed_f32"
    t(
        "plane_of = i64(i64(i64(i64(group) * i64(blocks_x())) + i64(block_x())) * i64(pitch))",
        f"element = i64(i64(i64(plane_of + i64(in_group)) * i64({s.tile.columns})) + i64({column}))",
        f"element = i64(element * i64({_FLOAT}))",
        f"{', '.join(names)} = {word}(parts, element)",
        f"part_bytes = i64(i64(i64(groups) * i64(blocks_x())) * i64(i64(pitch) * i64({s.tile.columns * _FLOAT})))",
        "split = i32(1)",
    )
    with t.block("while split < splits:"):
        t(
            "element = i64(element + part_bytes)",
            f"{', '.join(parts)} = {word}(parts, element)",
            *(f"{name} = f32({name} + {part})" for name, part in zip(names, parts, strict=True)),
            "split = i32(split + i32(1))",
        )
    return names
