"""Source of pools and of their gradients: one thread for each element of the result.

Gradients gather: each position of the map asks the windows that hold it, so that nothing is added to by two threads and
sums are taken in one order. Rows of `rows` are planes, one channel of one image each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product

from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles import rows
from netlang.backends.cuda.tiles.numbers import computed, least, load, store
from netlang.backends.cuda.tiles.text import Text, plus, times
from netlang.backends.cuda.tiles.windows import (
    Geometry,
    corner,
    counted,
    each_tap,
    each_window,
    joined,
    positions,
    split,
)
from netlang.ir.types import DType

MAXIMA = ("max", "switch")
SUMS = ("sum", "mean", "l2")
BACKWARD = ("unpool", "found", "spread", "share")
"""From dy and positions; from x, y and dy; the gradients of sums and of means."""
SLICED = ("channels", "source_image", "target_image")
"""Further arguments where map or result may be slices: channels, and bytes from image to image of both."""


@dataclass(frozen=True)
class Pool:
    """The structure of a pool's kernel.

    kind        of MAXIMA, SUMS or BACKWARD, or `pick`: the elements that positions point at
    positions   element type of the positions that it writes (`switch`) or reads (`unpool`, `pick`)
    padded      whether means count the padding
    ahead       whether all taps of a window are loaded before any is looked at; then the map must not be empty
    pairs       whether moreover the first two taps of each row are one aligned load of float32
    """

    kind: str
    dtype: str
    geometry: Geometry
    positions: str = ""
    padded: bool = True
    ahead: bool = False
    pairs: bool = False
    sliced: bool = False

    @property
    def backward(self) -> bool:
        return self.kind in BACKWARD

    @property
    def key(self) -> str:
        flags = f"{':padded' * self.padded}{':ahead' * self.ahead}{':pairs' * self.pairs}{':sliced' * self.sliced}"
        return f"pool:{self.kind}:{self.dtype}:{self.geometry.key}:{self.positions}{flags}"

    @property
    def addresses(self) -> list[str]:
        """The addresses among the arguments, in order: what is read, then what is written."""
        read = {"unpool": ["dy", "positions"], "pick": ["x", "positions"], "found": ["x", "y", "dy"]}
        found = read.get(self.kind, ["dy"] if self.backward else ["x"])
        return [*found, "out", *(["positions"] if self.kind == "switch" else [])]


def pool_kernel(pool: Pool, threads: int = rows.THREADS) -> Kernel:
    """Arguments: `pool.addresses`, sizes of the map and of the pooled map, SLICED if so, and those of `rows`."""
    rank = pool.geometry.rank
    arguments = "p" * len(pool.addresses) + "ii" * rank + ("ill" if pool.sliced else "") + rows.ARGUMENTS
    return Kernel(f"{pool.key}:{threads}", partial(_source, pool, threads), arguments, threads)


def _source(pool: Pool, threads: int) -> str:
    t, g = Text(), pool.geometry
    names = [*pool.addresses, *g.names("in"), *g.names("out"), *(SLICED if pool.sliced else ())]
    rows.head(t, names, threads)
    _planes(t, pool)
    split(t, "place", "i" if pool.backward else "o", g.names("in" if pool.backward else "out"))
    _BODIES[pool.kind](t, pool)
    return str(t)


def _planes(t: Text, pool: Pool) -> None:
    """The addresses of this row's planes: maps (`x` or `out`), and pooled ones."""
    g = pool.geometry
    area, pooled = (" * ".join(f"i64({n})" for n in g.names(what)) for what in ("in", "out"))
    large = {"x"} | ({"out"} if pool.backward else set())
    if pool.sliced:
        t("image = i32(div_u32(u32(row), u32(channels)))", "channel = i32(row - i32(image * channels))")
    for name in dict.fromkeys(pool.addresses):
        elements = area if name in large else pooled
        size = DType(pool.positions if name == "positions" else pool.dtype).size
        if pool.sliced and name != "positions":
            pitch = "target_image" if name == "out" else "source_image"
            offset = f"i64(image) * {pitch} + i64(channel) * ({elements}) * i64({size})"
        else:
            offset = f"i64(row) * ({elements}) * i64({size})"
        t(f"{name} = {name} + u64({offset})")


# ---- forward

Take = Callable[[str, str, str], None]
"""What is done with a tap: (its number, expression of its value, condition that it is on the map)."""


def _maximum(t: Text, pool: Pool) -> None:
    number, keeps = computed(pool.dtype), pool.kind == "switch"
    corner(t, pool.geometry)
    t(f"best = {least(pool.dtype)}", "chosen = i32(-1)")

    def take(tap: str, value: str, held: str) -> None:
        if not keeps:
            with t.block(f"if {held}:"):
                t(f"best = max_{number}(best, {value})")
            return
        with t.block(f"if {held} and (chosen < i32(0) or (best == best and not ({value} <= best))):"):
            t(f"best = {value}", f"chosen = {tap}")

    _each_value(t, pool, take)
    t(store("out", "place", pool.dtype, "best"))
    if keeps:
        t(store("positions", "place", pool.positions, "max_i32(chosen, i32(0))"))


def _total(t: Text, pool: Pool) -> None:
    number = computed(pool.dtype)
    corner(t, pool.geometry)
    t(f"total = {number}(0)")

    def take(tap: str, value: str, held: str) -> None:
        with t.block(f"if {held}:"):
            t(f"total = total + {f'{value} * {value}' if pool.kind == 'l2' else value}")

    _each_value(t, pool, take)
    if pool.kind == "mean":
        t(f"total = total / {counted(t, pool.geometry, pool.padded, number)}")
    if pool.kind == "l2":
        t(f"total = sqrt_{number}(total)")
    t(store("out", "place", pool.dtype, "total"))


def _each_value(t: Text, pool: Pool, take: Take) -> None:
    """What is to be done with each tap of a window, in order; with all loads first where they are written out."""
    g = pool.geometry
    if not pool.ahead:

        def one(tap: str, place: str) -> None:
            t(f"value = {load('x', place, pool.dtype)}")
            take(tap, "value", "True")

        each_tap(t, g, one)
        return
    positions(t, g)
    taps = list(enumerate(product(*map(range, g.kernel))))
    for tap, indices in taps:
        place = joined([f"p{axis}_{k}" for axis, k in enumerate(indices)], g.names("in"))
        if pool.pairs and indices[-1] == 0:
            t(f"v{tap}, v{tap + 1} = {load('x', place, pool.dtype, 2)}")
        elif not pool.pairs or indices[-1] > 1:
            t(f"v{tap} = {load('x', place, pool.dtype)}")
    for tap, indices in taps:
        held = "True" if g.inside else " and ".join(f"h{axis}_{k}" for axis, k in enumerate(indices))
        take(f"i32({tap})", f"v{tap}", held)


def _pick(t: Text, pool: Pool) -> None:
    g, number = pool.geometry, computed(pool.dtype)
    corner(t, g)
    _chosen(t, pool, "place")
    split(t, "u32(tap)", "k", [f"i32({k})" for k in g.kernel])
    for axis in range(g.rank):
        t(f"p{axis} = {plus(f'first{axis}', times(f'k{axis}', g.dilation[axis]))}")
    held = " and ".join(f"u32(p{axis}) < u32(in{axis})" for axis in range(g.rank))
    t(f"value = {number}(0)")
    with t.block(f"if {held}:"):
        t(f"value = {load('x', joined(g.names('p'), g.names('in')), pool.dtype)}")
    t(store("out", "place", pool.dtype, "value"))


def _chosen(t: Text, pool: Pool, place: str) -> None:
    """The tap that a position says, moved to the nearest one that there is."""
    held = f"max_i32(i32({load('positions', place, pool.positions)}), i32(0))"
    t(f"tap = min_i32({held}, i32({pool.geometry.taps - 1}))")


# ---- backward


def _gathered(t: Text, pool: Pool) -> None:
    number = computed(pool.dtype)
    t(f"total = {number}(0)")

    def take(tap: str, place: str) -> None:
        value = load("dy", place, pool.dtype)
        if pool.kind == "share":
            value = f"{value} / {counted(t, pool.geometry, pool.padded, number)}"
        if pool.kind == "unpool":
            _chosen(t, pool, place)
            with t.block(f"if tap == {tap}:"):
                t(f"total = {number}(total + {value})")
        else:
            t(f"total = total + {value}")

    each_window(t, pool.geometry, take)
    t(store("out", "place", pool.dtype, "total"))


def _found(t: Text, pool: Pool) -> None:
    """dy of the windows of which this position is the first maximum: it is as large as y, and no tap before it is."""
    g, number = pool.geometry, computed(pool.dtype)
    t(f"total = {number}(0)", f"own = {load('x', 'place', pool.dtype)}")

    def take(tap: str, place: str) -> None:
        t(f"largest = {load('y', place, pool.dtype)}")
        with t.block("if own == largest or (own != own and largest != largest):"):
            t("alone = True")
            corner(t, g)

            def compare(other: str, there: str) -> None:
                t(f"value = {load('x', there, pool.dtype)}")
                with t.block(f"if {other} < {tap} and (value == largest or (value != value and largest != largest)):"):
                    t("alone = False")

            each_tap(t, g, compare, most=1)
            with t.block("if alone:"):
                t(f"total = total + {load('dy', place, pool.dtype)}")

    # Few windows get to the inner loop, and code written out for all of them would take long to compile.
    each_window(t, g, take, most=1)
    t(store("out", "place", pool.dtype, "total"))


_BODIES: Mapping[str, Callable[[Text, Pool], None]] = {
    **dict.fromkeys(MAXIMA, _maximum),
    **dict.fromkeys(SUMS, _total),
    **dict.fromkeys(BACKWARD, _gathered),
    "found": _found,
    "pick": _pick,
}
