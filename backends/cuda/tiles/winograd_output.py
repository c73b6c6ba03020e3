"""The kernel that transforms the products of Winograd's convolution into the result, with all that is fused into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

from netlang.backends.common.epilogue import Epilogue
from netlang.backends.common.winograd import both_axes, output_axis
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles.conv_results import begin_window, combine
from netlang.backends.cuda.tiles.epilogue import Operands, result
from netlang.backends.cuda.tiles.lines import Lines
from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.winograd_exact import make_exact
from netlang.backends.cuda.tiles.winograd_structure import PatchPool, WinogradOutput
from netlang.backends.cuda.tiles.winograd_text import Variables, find_patch, size_of


def output_kernel(s: WinogradOutput) -> Kernel:
    """A thread for each patch of each output channel, patches of a channel side by side; see `arguments`."""
    return Kernel(s.key, partial(_source, s), "".join(s.arguments.values()), s.threads)


def _source(s: WinogradOutput) -> str:
    t = Text()
    t.open(f"def kernel({', '.join(s.arguments)}):")
    t(
        f"unit = u32(u32(block_x()) * u32({s.threads}) + u32(thread()))",
        "channel = i32(div_u32(unit, u32(pitch)))",
        "patch = i32(i32(unit) - i32(channel * pitch))",
    )
    with t.block("if channel < out_channels and patch < patches:"):
        find_patch(t, s.m)
        _transform(t, s)
        make_exact(t, s.m)
        for i in range(s.channels):
            t(f"of_channel{i} = load_fixed_f32(channel{i}, i64(i64(channel) * i64(4)))")
        t("plane = i64(i64(n) * i64(out_channels) + i64(channel))", "to = u64(out + u64(i64(n) * out_image))")
        if s.pool is None:
            _store_patch(t, s)
        else:
            _store_windows(t, s, s.pool)
    return str(t)


def _transform(t: Text, s: WinogradOutput) -> None:
    """The results y00, y01, ... of the patch."""
    size, lines = size_of(s.m), Lines(t)
    t("at = u64(products + u64(unit) * u64(4))", "place = i64(out_channels) * i64(pitch) * i64(4)")

    def load(i: int, j: int) -> str:
        return lines.let(f"load_fixed_f32(at, i64(place * i64({i * size + j})))")

    rows = both_axes(partial(output_axis, Variables(lines), s.m), (size, size), load)
    for i, j in product(range(s.m), repeat=2):
        t(f"y{i}{j} = {rows[i][j]}")


def _apply(
    t: Text, steps: Epilogue, values: Sequence[str], tensor: Callable[[int], Sequence[str]], first: Operands
) -> None:
    """Carry steps out on some results of a channel; `tensor` loads those of an operand in the same places."""
    at = first
    for step in steps:
        others: Sequence[str] = [""] * len(values)
        if step.kind == "channel":
            others = [f"of_channel{at.channel}"] * len(values)
        elif step.kind == "tensor":
            others = tensor(at.tensor)
        for value, other in zip(values, others, strict=True):
            t(f"{value} = {result(t, step, value, other)}")
        at = at.after((step,))


def _tensor(t: Text, s: WinogradOutput, width: int, number: int) -> Sequence[str]:
    """Neighbours of an operand of the map's shape from `element` of its plane on, as float32."""
    names = [f"other{i}" for i in range(width)]
    t("at = i64(plane * i64(i32(map_height * map_width)) + i64(element))")
    if s.tensors[number] == "f32":
        word = f"load{width}_f32" if width > 1 else "load_f32"
        t(f"{', '.join(names)} = {word}(tensor{number}, i64(at * i64(4)))")
    else:
        for i, name in enumerate(names):
            t(f"{name} = f32(1) if load_bool(tensor{number}, i64(at + i64({i}))) else f32(0)")
    return names


# ---- without a pool


def _store_patch(t: Text, s: WinogradOutput) -> None:
    t("to = u64(to + u64(i64(channel) * i64(i32(map_height * map_width)) * i64(4)))")
    width = s.m if s.vector else 1
    for i in range(s.m):
        with t.block(f"if i32(row + i32({i})) < map_height:"):
            t(f"line = i32(i32(i32(row + i32({i})) * map_width) + column)")
            for j in range(0, s.m, width):
                values = [f"y{i}{j + k}" for k in range(width)]
                if s.vector:
                    _store(t, s, values, "line")
                else:
                    with t.block(f"if i32(column + i32({j})) < map_width:"):
                        _store(t, s, values, f"i32(line + i32({j}))")


def _store(t: Text, s: WinogradOutput, values: Sequence[str], element: str) -> None:
    t(f"element = {element}")
    _apply(t, s.before, values, partial(_tensor, t, s, len(values)), Operands())
    word, value = (f"store{s.m}_f32", f"({', '.join(values)})") if s.vector else ("store_f32", values[0])
    t(f"{word}(to, i64(i64(element) * i64(4)), {value})")


# ---- with a pool


def _store_windows(t: Text, s: WinogradOutput, pool: PatchPool) -> None:
    tall, wide = pool.kernel
    t("to = u64(to + u64(i64(channel) * i64(i32(out_height * out_width)) * i64(4)))")
    t(f"top = i32(div_u32(u32(row), u32({tall})))", f"left = i32(div_u32(u32(column), u32({wide})))")
    for i, j in product(range(s.m // tall), range(s.m // wide)):
        with t.block(f"if i32(top + i32({i})) < out_height and i32(left + i32({j})) < out_width:"):
            _window(t, s, pool, (i, j))


def _window(t: Text, s: WinogradOutput, pool: PatchPool, place: tuple[int, int]) -> None:
    """One window of the patch."""
    tall, wide = pool.kernel
    begin_window(t, pool.kind)
    for i, j in product(range(tall), range(wide)):
        down, across = place[0] * tall + i, place[1] * wide + j
        t(f"element = i32(i32(i32(row + i32({down})) * map_width) + i32(column + i32({across})))")
        _apply(t, s.before, [f"y{down}{across}"], partial(_tensor, t, s, 1), Operands())
        combine(t, pool.kind, f"y{down}{across}", f"i32({i * wide + j})")
    if pool.kind == "mean":
        t(f"best = f32(best / f32({tall * wide}))")
    _apply(t, s.after, ["best"], lambda number: (), Operands().after(s.before))
    t(f"element = i32(i32(i32(top + i32({place[0]})) * out_width) + i32(left + i32({place[1]})))")
    t("store_f32(to, i64(i64(element) * i64(4)), best)")
    if s.switch:
        t("at = i64(plane * i64(i32(out_height * out_width)) + i64(element))")
        t(f"store_{s.switch}(switches, i64(at * i64({1 if s.switch == 'i8' else 4})), position)")
