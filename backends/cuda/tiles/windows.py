"""Sliding windows in kernels: the geometry of a pool on up to three axes, and the text that walks its windows.

Kernel, stride, low padding and dilation are part of a kernel's structure; the sizes of the map (`in0`, `in1`, ...) and
of the result (`out0`, ...) are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from netlang.backends.cuda.tiles.text import MOST_UNROLLED, Index, Text, plus, times, written
from netlang.ir.graph import Attrs


@dataclass(frozen=True)
class Geometry:
    """One entry per axis. `inside`: no tap of any window lies in the padding or beyond it."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    dilation: tuple[int, ...]
    inside: bool

    @staticmethod
    def of(attrs: Attrs) -> Geometry:
        """From the attributes of a pool or of its gradient."""
        kernel, pad = attrs["kernel"], attrs["pad"]
        return Geometry(
            tuple(kernel),
            tuple(attrs["stride"]),
            tuple(low for low, _ in pad),
            tuple(high for _, high in pad),
            tuple(attrs.get("dilation") or (1,) * len(kernel)),
            not attrs.get("ceil_mode", False) and not any(low or high for low, high in pad),
        )

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def taps(self) -> int:
        """Elements of a window."""
        return prod(self.kernel)

    @property
    def key(self) -> str:
        parts = (self.kernel, self.stride, self.low, self.high, self.dilation)
        return "/".join("x".join(map(str, part)) for part in parts) + ("/inside" if self.inside else "")

    @property
    def met(self) -> tuple[int, ...]:
        """Per axis, how many windows at most hold one position."""
        return tuple(
            -(-k // s) if d == 1 else k for k, s, d in zip(self.kernel, self.stride, self.dilation, strict=True)
        )

    def names(self, what: str) -> list[str]:
        """`what` of every axis: out0, out1, ..."""
        return [f"{what}{axis}" for axis in range(self.rank)]


def split(t: Text, place: str, what: str, sizes: Sequence[str]) -> None:
    """Find the indices `what`0, `what`1, ... of the element `place` (u32) of a tensor of these sizes."""
    rest = place
    for axis in reversed(range(1, len(sizes))):
        t(f"upper{axis} = div_u32({rest}, u32({sizes[axis]}))")
        t(f"{what}{axis} = i32(u32({rest} - u32(upper{axis} * u32({sizes[axis]}))))")
        rest = f"upper{axis}"
    t(f"{what}0 = i32({rest})")


def joined(indices: Sequence[Index], sizes: Sequence[Index]) -> str:
    """The place of an element of a tensor of these sizes."""
    found = indices[0]
    for index, size in zip(indices[1:], sizes[1:], strict=True):
        found = plus(times(found, size), index)
    return written(found)


def corner(t: Text, g: Geometry) -> None:
    """The position of the first tap of window o0, o1, ... on each axis, which may lie in the padding."""
    for axis in range(g.rank):
        t(f"first{axis} = {plus(times(f'o{axis}', g.stride[axis]), -g.low[axis])}")


def each_tap(t: Text, g: Geometry, body: Callable[[str, str], None], most: int = MOST_UNROLLED) -> None:
    """For each tap of a window that lies on the map: body(number of the tap, its place in the plane). At most so many
    taps are written out."""

    def tap(*taps: Index) -> None:
        for axis, index in enumerate(taps):
            t(f"p{axis} = {plus(f'first{axis}', times(index, g.dilation[axis]))}")
        number = joined(taps, g.kernel)
        place = joined(g.names("p"), g.names("in"))
        if g.inside:
            body(number, place)
            return
        held = " and ".join(f"u32(p{axis}) < u32(in{axis})" for axis in range(g.rank))
        with t.block(f"if {held}:"):
            body(number, place)

    t.each(g.names("k"), g.kernel, tap, most)


def positions(t: Text, g: Geometry) -> None:
    """Where the taps of a window are, all written out: for tap k of an axis `p0_k`, moved onto the map where it is not
    there, and `h0_k`, whether it is. The map must not be empty."""
    for axis in range(g.rank):
        for k in range(g.kernel[axis]):
            t(f"p{axis}_{k} = {plus(f'first{axis}', k * g.dilation[axis])}")
            if not g.inside:
                t(f"h{axis}_{k} = u32(p{axis}_{k}) < u32(in{axis})")
                t(f"p{axis}_{k} = max_i32(min_i32(p{axis}_{k}, i32(in{axis} - i32(1))), i32(0))")


def each_window(t: Text, g: Geometry, body: Callable[[str, str], None], most: int = MOST_UNROLLED) -> None:
    """For each window that holds the position i0, i1, ...: body(number of its tap there, its place in the result); the
    window is o0, o1, ... At most so many windows are written out.

    Window o holds position i as tap t where o * stride + t * dilation = i + low.
    """
    for axis in range(g.rank):
        t(f"q{axis} = {plus(f'i{axis}', g.low[axis])}")
        if g.dilation[axis] == 1:
            t(f"last{axis} = i32(div_u32(u32(q{axis}), u32({g.stride[axis]})))")
            t(f"tap{axis} = i32(q{axis} - {written(times(f'last{axis}', g.stride[axis]))})")

    def window(*met: Index) -> None:
        for axis, m in enumerate(met):
            stride, dilation = g.stride[axis], g.dilation[axis]
            if dilation == 1:
                t(f"o{axis} = {plus(f'last{axis}', times(m, -1))}")
                t(f"t{axis} = {plus(f'tap{axis}', times(m, stride))}")
            else:
                t(f"t{axis} = {written(m)}")
                t(f"r{axis} = i32(q{axis} - {written(times(m, dilation))})")
                t(f"o{axis} = i32(-1)")
                with t.block(f"if r{axis} >= i32(0) and rem_u32(u32(r{axis}), u32({stride})) == u32(0):"):
                    t(f"o{axis} = i32(div_u32(u32(r{axis}), u32({stride})))")
        held = [f"u32(o{axis}) < u32(out{axis})" for axis in range(g.rank)]
        held += [f"t{axis} < i32({g.kernel[axis]})" for axis in range(g.rank) if g.kernel[axis] % g.stride[axis]]
        with t.block(f"if {' and '.join(held)}:"):
            body(joined(g.names("t"), g.kernel), joined(g.names("o"), g.names("out")))

    t.each(g.names("m"), g.met, window, most)


def counted(t: Text, g: Geometry, padded: bool, number: str) -> str:
    """How many positions window o0, o1, ... averages over, as a float of type `number`: with `padded` those of the
    padding too, but not what lies beyond it."""
    if g.inside:
        return f"{number}({g.taps})"
    for axis in range(g.rank):
        t(f"begin{axis} = {plus(times(f'o{axis}', g.stride[axis]), -g.low[axis])}")
        edge, apart = plus(f"in{axis}", g.high[axis]) if padded else f"in{axis}", g.dilation[axis]
        if apart > 1:
            # In taps; a window begins before the edge.
            t(f"end{axis} = i32({edge} - begin{axis}) + i32({apart - 1})")
            t(f"end{axis} = min_i32(i32(div_u32(u32(end{axis}), u32({apart}))), i32({g.kernel[axis]}))")
            ahead = f"max_i32(i32({apart - 1}) - begin{axis}, i32(0))"
            t(f"begin{axis} = " + ("i32(0)" if padded else f"i32(div_u32(u32({ahead}), u32({apart})))"))
            continue
        t(f"end{axis} = min_i32(i32(begin{axis} + i32({g.kernel[axis]})), {edge})")
        if not padded:
            t(f"begin{axis} = max_i32(begin{axis}, i32(0))")
    lengths = [f"i32(end{axis} - begin{axis})" for axis in range(g.rank)]
    found: Index = 1
    for length in lengths:
        found = times(found, length)
    return f"{number}({found})"
