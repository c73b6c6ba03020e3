"""Sums of products of few rows of A with all of B, for which reading B is what takes time.

The warps of a block share the sums of `rows` rows and some columns of B and split k among them: every number of B is
read once, 16 bytes a lane where it lies so. The parts of a sum meet in shared memory and are added in order.

    along     B has its numbers of k side by side: a warp has four (`columns`) lines of B, its lanes go along k
    across    B has its columns side by side: eight lanes have 4 neighbouring columns each, the others further k; of
              several (`columns`) places along a line of B
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netlang.backends.cuda.kernel import WARP
from netlang.backends.cuda.tiles.text import Text

_LANES = 8
"""Lanes side by side in the columns of B, if it has these side by side."""
_AHEAD = 4
"""Numbers of k that a lane asks for at once there."""
_FLOAT = 4


@dataclass(frozen=True)
class Thin:
    """rows       of A for which a block has sums
    along      see above
    vector     numbers that are loaded at once: 4 if k (of A too) or columns come in fours, else 1
    warps      of a block
    parts      of k, as many warps of a block have the same columns; all of them where it is not `along`
    columns    lines of B that a warp has `along`, or places of eight lanes across
    """

    rows: int
    along: bool
    vector: int
    warps: int
    parts: int
    columns: int = 4

    def __post_init__(self) -> None:
        assert self.warps % self.parts == 0 and self.parts & (self.parts - 1) == 0, self
        assert self.along or self.parts == self.warps, self

    @property
    def key(self) -> str:
        order = "along" if self.along else "across"
        return f"{order}/{self.rows}x{self.columns}/{self.vector}/{self.warps}/{self.parts}"

    @property
    def threads(self) -> int:
        return self.warps * WARP

    @property
    def groups(self) -> int:
        """Groups of columns in a block: those of a warp, or all."""
        return self.warps // self.parts

    @property
    def width(self) -> int:
        """Columns of a group."""
        return self.columns * self.beside

    @property
    def beside(self) -> int:
        """Columns at each place."""
        return 1 if self.along else _LANES * self.vector

    @property
    def block_columns(self) -> int:
        return self.groups * self.width

    @property
    def sums(self) -> int:
        """Of a block."""
        return self.rows * self.block_columns

    @property
    def shared(self) -> int:
        """Bytes of shared memory: every part of every sum."""
        return self.sums * self.parts * _FLOAT


def write_sums(t: Text, thin: Thin, line: Callable[[int], str]) -> None:
    """The parts of all sums, in shared memory at `base`, seen by all threads.

    Variables that it expects: `a` and `b`, addresses; `a_row` and `a_inner`, int32, elements from a number of A to the
    next one in its column and its row; `b_pitch`, from a line of B to the next; `row0`, and `rows` in all; `inner`.

    line    along: for the columns of a warp, 0 and on, the number of the line of B, an int32 expression in `group`;
            across: the first column of a lane at each place, in `lane_column`. All have to be there.
    """
    for r in range(thin.rows):
        row = f"min_i32(i32(row0 + i32({r})), i32(rows - i32(1)))"
        t(f"a{r} = u64(a + u64(u32({row})) * u64(u32(a_row)) * u64({_FLOAT}))")
    (_along if thin.along else _across)(t, thin, line)
    t("sync()")


def each_sum(t: Text, thin: Thin, body: Callable[[], None]) -> None:
    """Have `body` written for each of the block's sums, which is `v0`; `place` is its number: group, row, column of
    the group."""
    t("place = thread()")
    with t.block(f"while place < i32({thin.sums}):"):
        read_sum(t, thin, "place", "v0")
        body()
        t(f"place = i32(place + i32({thin.threads}))")


def read_sum(t: Text, thin: Thin, place: str, name: str) -> None:
    """One of the sums by its number: its parts in order."""
    t(f"{name} = load_shared_f32(base, i32({place} * i32({_FLOAT})))", "part = i32(1)")
    with t.block(f"while part < i32({thin.parts}):"):
        at = f"i32(i32(i32(part * i32({thin.sums})) + {place}) * i32({_FLOAT}))"
        t(
            f"{name} = f32({name} + load_shared_f32(base, {at}))",
            "part = i32(part + i32(1))",
        )


def _along(t: Text, thin: Thin, line: Callable[[int], str]) -> None:
    rows, columns, v = range(thin.rows), range(thin.columns), thin.vector
    shift = thin.parts.bit_length() - 1
    t(f"part = i32(warp() & i32({thin.parts - 1}))", f"group = i32(warp() >> i32({shift}))")
    for c in columns:
        t(f"b{c} = u64(b + u64(u32({line(c)})) * u64(u32(b_pitch)) * u64({_FLOAT}))")
    t("; ".join(f"s{r}_{c} = f32(0)" for r in rows for c in columns))
    t(f"k = i32(i32(part * i32({WARP * v})) + i32(lane() * i32({v})))")
    with t.block("while k < inner:"):
        t("at = i64(k) * i64(4)")
        for r in rows:
            _load(t, f"x{r}", f"a{r}", "at" if v == 4 else "i64(k) * i64(a_inner) * i64(4)", v)
        for c in columns:
            _load(t, "y", f"b{c}", "at", v)
            for r in rows:
                for e in range(v):
                    t(f"s{r}_{c} = fma_f32(x{r}_{e}, y_{e}, s{r}_{c})")
        t(f"k = i32(k + i32({thin.parts * WARP * v}))")
    for distance in (16, 8, 4, 2, 1):
        for r in rows:
            t("; ".join(f"s{r}_{c} = f32(s{r}_{c} + shuffle_xor_f32(s{r}_{c}, i32({distance})))" for c in columns))
    with t.block("if lane() == i32(0):"):
        where = f"i32(i32(part * i32({thin.sums})) + i32(group * i32({thin.rows * thin.columns})))"
        t(f"to = u32(base + u32(i32({where} * i32({_FLOAT}))))")
        for r in rows:
            for c in columns:
                t(f"store_shared_f32(to, i32({(r * thin.columns + c) * _FLOAT}), s{r}_{c})")


def _across(t: Text, thin: Thin, line: Callable[[int], str]) -> None:
    rows, columns, v, depth = range(thin.rows), range(thin.columns), thin.vector, WARP // _LANES
    step = thin.warps * depth
    t(
        f"lane_column = i32(i32(lane() & i32({_LANES - 1})) * i32({v}))",
        *(f"b{c} = u64(b + u64(u32({line(c)})) * u64({_FLOAT}))" for c in columns),
        "line = i64(b_pitch) * i64(4)",
        f"k = i32(i32(warp() * i32({depth})) + i32(lane() >> i32({_LANES.bit_length() - 1})))",
    )
    sums = [f"s{r}_{c}_{e}" for r in rows for c in columns for e in range(v)]
    t("; ".join(f"{name} = f32(0)" for name in sums))
    with t.block(f"while i32(k + i32({(_AHEAD - 1) * step})) < inner:"):
        for i in range(_AHEAD):
            for c in columns:
                _load(t, f"y{i}_{c}", f"b{c}", f"i64(i32(k + i32({i * step}))) * line", v)
        for i in range(_AHEAD):
            _add_across(t, thin, f"i32(k + i32({i * step}))", f"y{i}")
        t(f"k = i32(k + i32({_AHEAD * step}))")
    with t.block("while k < inner:"):
        for c in columns:
            _load(t, f"y0_{c}", f"b{c}", "i64(k) * line", v)
        _add_across(t, thin, "k", "y0")
        t(f"k = i32(k + i32({step}))")
    distance = WARP // 2
    while distance >= _LANES:
        for name in sums:
            t(f"{name} = f32({name} + shuffle_xor_f32({name}, i32({distance})))")
        distance //= 2
    with t.block(f"if lane() < i32({_LANES}):"):
        t(f"to = u32(base + u32(i32(i32(i32(warp() * i32({thin.sums})) + lane_column) * i32({_FLOAT}))))")
        for r in rows:
            for c in columns:
                for e in range(v):
                    place = r * thin.width + c * thin.beside + e
                    t(f"store_shared_f32(to, i32({place * _FLOAT}), s{r}_{c}_{e})")


def _add_across(t: Text, thin: Thin, k: str, name: str) -> None:
    for r in range(thin.rows):
        t(f"x = load_f32(a{r}, i64({k}) * i64(a_inner) * i64(4))")
        for c in range(thin.columns):
            sums = [f"s{r}_{c}_{e}" for e in range(thin.vector)]
            t("; ".join(f"{s} = fma_f32(x, {name}_{c}_{e}, {s})" for e, s in enumerate(sums)))


def _load(t: Text, name: str, address: str, offset: str, count: int) -> None:
    """NAME_0 and on: neighbouring numbers of a factor."""
    names = ", ".join(f"{name}_{e}" for e in range(count))
    word = "load_fixed_f32" if count == 1 else f"load{count}_fixed_f32"
    t(f"{names} = {word}({address}, {offset})")
