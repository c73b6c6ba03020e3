"""What a block of a convolution does with its sums: epilogue, pool, and storing planes of the result.

A thread has one place in the planes, a pixel (or four neighbours) or a window, and goes through channels: where its
place is in memory is found once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netlang.backends.common.epilogue import Epilogue
from netlang.backends.cuda.tiles import sums_tile
from netlang.backends.cuda.tiles.conv_parts import read_sums
from netlang.backends.cuda.tiles.conv_pixels import find_patch, split
from netlang.backends.cuda.tiles.conv_structure import ConvStructure, TilePool
from netlang.backends.cuda.tiles.epilogue import Operands, result
from netlang.backends.cuda.tiles.text import Text

_BIG = "f32(1e39)"
"""Infinity: it has no literal."""


def write_results(t: Text, s: ConvStructure) -> None:
    """All that follows when the sums are in shared memory."""
    if s.pool is None:
        _write_pixels(t, s)
    else:
        _write_windows(t, s, s.pool)


def _sums(t: Text, s: ConvStructure, column: str, width: int) -> Sequence[str]:
    """The sums of the channel at hand, from a column of the tile on."""
    if s.role == "rest":
        return read_sums(t, s, column, width)
    return sums_tile.read(t, s.tile, "row", column, width)


def _each_channel(t: Text, s: ConvStructure, body: Callable[[], None]) -> None:
    """Have `body` written for each row of the block that is a channel: `row` in the tile, `in_group` in the group,
    `channel` in the result. All threads with the same row have a place of the planes each."""
    step = s.tile.threads // s.places
    t(
        f"row = i32(thread() >> i32({s.places.bit_length() - 1}))",
        f"in_group = i32(i32(block_y() * i32({s.rows})) + row)",
        "channel = i32(i32(group * group_out) + in_group)",
    )
    with t.block("if held:"), t.block(f"while row < i32({s.rows}) and in_group < group_out:"):
        body()
        t(f"row = i32(row + i32({step}))", f"in_group = i32(in_group + i32({step}))")
        t(f"channel = i32(channel + i32({step}))")


# ---- without a pool


def _write_pixels(t: Text, s: ConvStructure) -> None:
    width = 4 if s.vector else 1
    t(
        f"column = i32(i32(thread() & i32({s.places - 1})) * i32({width}))",
        f"m = i32(i32(block_x() * i32({s.tile.columns})) + column)",
        "held = m < total",
    )
    split(t, "m", ("n", "h", "v"), ("map_height", "map_width"))
    if s.strided:
        t("bytes = i32(i32(first + i32(h * row_step)) + i32(v * pixel_step))")
    else:
        t("bytes = i32(i32(i32(h * map_width) + v) * i32(4))")
    t("to = u64(out + u64(i64(i64(i64(n) * out_image) + i64(bytes))))")

    def channel() -> None:
        values = _sums(t, s, "column", width)
        _apply(t, s, s.before, values, "bytes")
        word, value = ("store4_f32", f"({', '.join(values)})") if s.vector else ("store_f32", values[0])
        t(f"{word}(to, i64(i64(channel) * out_plane), {value})")

    _each_channel(t, s, channel)


def _apply(
    t: Text, s: ConvStructure, steps: Epilogue, values: Sequence[str], bytes: str, first: Operands | None = None
) -> None:
    """Carry steps out on neighbouring pixels of `channel`, the first one `bytes` after the start of its plane."""
    at = first or Operands()
    for step in steps:
        others: Sequence[str] = [""] * len(values)
        if step.kind == "channel":
            t(f"other = load_fixed_f32(channel{at.channel}, i64(i64(channel) * i64(4)))")
            others = ["other"] * len(values)
        elif step.kind == "tensor":
            others = _tensor(t, s, at.tensor, len(values), bytes)
        for value, other in zip(values, others, strict=True):
            t(f"{value} = {result(t, step, value, other)}")
        at = at.after((step,))


def _tensor(t: Text, s: ConvStructure, number: int, width: int, bytes: str) -> Sequence[str]:
    """Neighbouring elements of an operand of the map's shape, as float32."""
    names = [f"other{i}" for i in range(width)]
    t("plane_of = i64(i64(i64(n) * i64(group_out * groups)) + i64(channel))")
    t(f"element = i64(i64(plane_of * map_plane) + i64({bytes}))")
    if s.tensors[number] == "f32":
        word = f"load{width}_f32" if width > 1 else "load_f32"
        t(f"{', '.join(names)} = {word}(tensor{number}, element)")
        return names
    t("element = i64(element >> i64(2))")
    for i, name in enumerate(names):
        t(f"{name} = f32(1) if load_bool(tensor{number}, i64(element + i64({i}))) else f32(0)")
    return names


# ---- with a pool


def _write_windows(t: Text, s: ConvStructure, pool: TilePool) -> None:
    _find_window(t, s, pool)
    t("to = u64(out + u64(i64(i64(i64(n) * out_image) + i64(i64(result) * i64(4)))))")

    def channel() -> None:
        _pool(t, s, pool)
        _apply(t, s, s.after, ["best"], "", Operands().after(s.before))
        t("store_f32(to, i64(i64(channel) * out_plane), best)")
        if s.switch:
            t(
                "plane_of = i64(i64(i64(n) * i64(group_out * groups)) + i64(channel))",
                "element = i64(i64(plane_of * i64(i32(out_height * out_width))) + i64(result))",
                f"store_{s.switch}(switches, i64(element * i64({1 if s.switch == 'i8' else 4})), position)",
            )

    _each_channel(t, s, channel)


def _find_window(t: Text, s: ConvStructure, pool: TilePool) -> None:
    """The window of this thread: its image `n`, `result` in the plane, the first `column` of its taps, and where that
    is on the map, which may be above or left of it."""
    across, wide = pool.patch[1], pool.patch_size[1]
    t(
        f"window = i32(thread() & i32({s.places - 1}))",
        f"place = i32(div_u32(u32(window), u32({pool.windows})))",
        f"inner = i32(window - i32(place * i32({pool.windows})))",
        f"y = i32(div_u32(u32(inner), u32({across})))",
        f"z = i32(inner - i32(y * i32({across})))",
        f"column = i32(i32(y * i32({pool.stride[0] * wide})) + i32(z * i32({pool.stride[1]})))",
        f"column = i32(column + i32(place * i32({pool.pixels})))",
    )
    find_patch(t, s, pool)
    t(
        "top = i32(top + y)",
        "left = i32(left + z)",
        "held = held and top < out_height and left < out_width",
        "result = i32(i32(top * out_width) + left)",
        f"h = i32(i32(top * i32({pool.stride[0]})) - i32({pool.low[0]}))",
        f"v = i32(i32(left * i32({pool.stride[1]})) - i32({pool.low[1]}))",
    )


def _pool(t: Text, s: ConvStructure, pool: TilePool) -> None:
    """`best`, the result of the window, and its `position`."""
    begin_window(t, pool.kind)
    (tall, wide), (_, row_pixels) = pool.kernel, pool.patch_size

    def tap(down: str, across: str) -> None:
        t(f"y = i32(h + {down})", f"z = i32(v + {across})")
        if pool.whole:
            take(down, across)
        else:
            with t.block("if u32(y) < u32(map_height) and u32(z) < u32(map_width):"):
                take(down, across)

    def take(down: str, across: str) -> None:
        t(f"at = i32(i32(column + i32({down} * i32({row_pixels}))) + {across})")
        (value,) = _sums(t, s, "at", 1)
        if s.before:
            t("bytes = i32(i32(i32(y * map_width) + z) * i32(4))")
            _apply(t, s, s.before, [value], "bytes")
        combine(t, pool.kind, value, f"i32(i32({down} * i32({wide})) + {across})")

    t.each(("down", "across"), (tall, wide), tap)
    if pool.kind == "mean":
        t(f"best = f32(best / {_counted(t, pool)})")


def begin_window(t: Text, kind: str) -> None:
    """`best`, its `position`, and whether any tap was `found`, before the first one."""
    t("best = f32(0)" if kind in ("sum", "mean") else f"best = f32(-{_BIG})", "position = i32(0)", "found = False")


def combine(t: Text, kind: str, value: str, number: str) -> None:
    """Take a tap of a window, which has a number, into these."""
    if kind in ("sum", "mean"):
        t(f"best = f32(best + {value})")
    elif kind == "max":
        t(f"best = max_f32(best, {value})")
    else:
        # The first of equal ones; a NaN is above any number. Nothing is above the first tap.
        with t.block(f"if not found or {value} > best or ({value} != {value} and best == best):"):
            t(f"best = {value}", f"position = {number}", "found = True")


def _counted(t: Text, pool: TilePool) -> str:
    """How many pixels a mean is over. Padding may count, what lies beyond it does not."""
    if pool.whole:
        return f"f32({pool.kernel[0] * pool.kernel[1]})"
    high = pool.high or (0, 0)
    for name, at, size, kernel, more in (
        ("rows", "h", "map_height", pool.kernel[0], high[0]),
        ("columns", "v", "map_width", pool.kernel[1], high[1]),
    ):
        start = at if pool.high else f"max_i32({at}, i32(0))"
        t(f"{name} = i32(min_i32(i32({at} + i32({kernel})), i32({size} + i32({more}))) - {start})")
    return "f32(i32(rows * columns))"
