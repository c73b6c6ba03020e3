"""Copies of a matrix in device memory to the tile rows of one operand, stage by stage.

A matrix has its numbers of k side by side (`rows`) or those of its rows (`columns`, as A is when it is transposed and B
when it is not). Memory is float32. Rows on multiples of 16 bytes are copied in chunks; all others number by number,
where neighbouring lanes take neighbouring addresses of at least 32 bytes, and different banks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netlang.backends.cuda.kernel import WARP
from netlang.backends.cuda.tiles.block_tile import CHUNK_BYTES, CHUNKS, DEPTH, FLOAT, ROW_BYTES, BlockTile
from netlang.backends.cuda.tiles.stages import copy
from netlang.backends.cuda.tiles.text import Text

Kind = Literal["wide", "rows", "columns", "lines"]
"""wide: k side by side, every row on a multiple of 16 bytes, K a multiple of 4, all rows of a tile within 4 GB; rows: k
side by side, any K; lines: columns of B side by side, N a multiple of 4, every line on a multiple of 16 bytes, in a
tile that is n-major (`line_copies`)."""

_MOST_LINES = 4
"""So many distances of rows are kept; more would take registers that FFMA needs, and are found anew for each stage."""


@dataclass(frozen=True)
class MatrixCopies:
    """The copies of one operand, `name` "a" or "b".

    Variables that it expects: `base`; NAME, the address of the matrix; NAME_pitch, int32, elements from one of its
    lines to the next; NAME_first, the first row of the tile; NAME_last, the last row that there is, from that one on;
    `first_k`, and `left`, how many numbers of k there are from the next stage on.

    With `gates` the matrix is so many groups of `units` (an int32 variable) rows, and the tile has the same rows of
    each: as many as there are, in groups of a power of two.
    """

    tile: BlockTile
    name: str
    kind: Kind
    gates: int = 0

    def __post_init__(self) -> None:
        rows, warps = self.tile_rows, self.tile.threads // WARP
        unit = {"wide": self.tile.threads // CHUNKS, "rows": warps, "columns": 8 * warps}[self.kind]
        assert rows % unit == 0 and self.tile.threads >= 64, (self.tile, self.kind)

    @property
    def tile_rows(self) -> int:
        return self.tile.rows if self.name == "a" else self.tile.columns

    def begin(self, t: Text) -> None:
        """Where this thread copies from and to."""
        {"wide": self._begin_wide, "rows": self._begin_rows, "columns": self._begin_columns}[self.kind](t)

    def load(self, t: Text, stage: str) -> None:
        """The copies of the next stage to `base + stage`; moves on by one stage."""
        {"wide": self._load_wide, "rows": self._load_rows, "columns": self._load_columns}[self.kind](t, stage)

    def _line(self, row: str) -> str:
        """Which row of the matrix a tile row is, from the first one on; one that there is."""
        if not self.gates:
            return f"u32(min_i32({row}, {self.name}_last))"
        each = self.tile_rows // padded(self.gates)
        gate = f"min_i32(i32({row} >> i32({each.bit_length() - 1})), i32({self.gates - 1}))"
        unit = f"min_i32(i32({row} & i32({each - 1})), {self.name}_last)"
        return f"u32(i32(i32({gate} * units) + {unit}))"

    def _shared(self) -> str:
        """Where the operand begins in a stage."""
        return "base" if self.name == "a" else f"u32(base + u32({self.tile.rows * ROW_BYTES}))"

    # ---- chunks of 16 bytes

    def _begin_wide(self, t: Text) -> None:
        n = self.name
        t(
            f"{n}_row = i32(thread() >> i32(3))",
            f"{n}_k = i32(i32(thread() & i32(7)) << i32(2))",
            f"{n}_to = i32(i32(i32({n}_k >> i32(2)) ^ {self.tile.swizzle(f'{n}_row')}) << i32(4))",
            f"{n}_to = u32({self._shared()} + u32(i32({n}_to + i32({n}_row * i32({ROW_BYTES})))))",
            f"{n}_from = {n} + u64(i64({n}_first) * i64({n}_pitch) + i64(first_k + {n}_k)) * u64({FLOAT})",
        )
        count = self.tile_rows // (self.tile.threads // CHUNKS)
        for q in range(count if count <= _MOST_LINES else 0):
            t(f"{n}_line{q} = {self._wide_line(f'{n}_row', q)}")

    def _wide_line(self, row: str, number: int) -> str:
        """Bytes from the first row of the tile to copy `number` of the thread whose first one is `row`."""
        line = self._line(f"i32({row} + i32({number * (self.tile.threads // CHUNKS)}))")
        return f"u32(u32({line} * u32({self.name}_pitch)) * u32({FLOAT}))"

    def _load_wide(self, t: Text, stage: str) -> None:
        n, step = self.name, self.tile.threads // CHUNKS
        count = self.tile_rows // step
        t(f"{n}_holds = {n}_k < left")
        for q in range(count):
            if count > _MOST_LINES:
                t(f"{n}_line{q} = {self._wide_line('i32(again_i32(thread()) >> i32(3))', q)}")
            to = f"u32(u32({n}_to + {stage}) + u32({q * step * ROW_BYTES}))"
            copy(t, self.tile, CHUNK_BYTES, to, f"u64({n}_from + u64({n}_line{q}))", f"{n}_holds")
        t(f"{n}_from = u64({n}_from + u64({ROW_BYTES}))")

    # ---- numbers, k side by side: a warp takes all of a row

    def _begin_rows(self, t: Text) -> None:
        n, warps = self.name, self.tile.threads // WARP
        t(f"{n}_from = {n} + u64(i64({n}_first) * i64({n}_pitch) + i64(first_k + lane())) * u64({FLOAT})")
        for p in range(max(1, CHUNKS // warps)):
            row = f"i32(warp() + i32({p * warps}))"
            chunk = f"i32(i32(i32(lane() >> i32(2)) ^ {self.tile.swizzle(row)}) << i32(4))"
            inside = f"i32({chunk} + i32(i32(lane() & i32(3)) << i32(2)))"
            t(f"{n}_to{p} = u32({self._shared()} + u32(i32(i32(warp() * i32({ROW_BYTES})) + {inside})))")

    def _load_rows(self, t: Text, stage: str) -> None:
        n, warps = self.name, self.tile.threads // WARP
        t(f"{n}_holds = lane() < left")
        for q in range(self.tile_rows // warps):
            to = f"u32(u32({n}_to{q % max(1, CHUNKS // warps)} + {stage}) + u32({q * warps * ROW_BYTES}))"
            row = self._line(f"i32(again_i32(warp()) + i32({q * warps}))")
            source = f"u64({n}_from + u64({row}) * u64({n}_pitch) * u64({FLOAT}))"
            copy(t, self.tile, FLOAT, to, source, f"{n}_holds")
        t(f"{n}_from = u64({n}_from + u64({ROW_BYTES}))")

    # ---- numbers, rows side by side: a warp takes eight rows of four k

    def _begin_columns(self, t: Text) -> None:
        n, warps = self.name, self.tile.threads // WARP
        t(
            f"{n}_row = i32(i32(lane() & i32(7)) + i32(warp() * i32(8)))",
            f"{n}_k = i32(lane() >> i32(3))",
            f"{n}_to = i32(i32({n}_row * i32({ROW_BYTES})) + i32({self.tile.swizzle(f'{n}_row')} << i32(4)))",
            f"{n}_to = u32({self._shared()} + u32(i32({n}_to + i32({n}_k << i32(2)))))",
            f"{n}_line = u64({n}_pitch) * u64({FLOAT})",
            f"{n}_from = {n} + u64(i64({n}_first) * i64({FLOAT})) + u64(i64(first_k + {n}_k)) * {n}_line",
        )
        for r in range(self.tile_rows // (8 * warps)):
            t(f"{n}_place{r} = u32({self._line(f'i32({n}_row + i32({8 * warps * r}))')} * u32({FLOAT}))")

    def _load_columns(self, t: Text, stage: str) -> None:
        n, warps = self.name, self.tile.threads // WARP
        t(f"{n}_at = u32({n}_to + {stage})")
        for c in range(CHUNKS):
            t(f"{n}_holds = i32({n}_k + i32({4 * c})) < left")
            for r in range(self.tile_rows // (8 * warps)):
                to = f"u32(u32({n}_at ^ u32({c * CHUNK_BYTES})) + u32({8 * warps * r * ROW_BYTES}))"
                copy(t, self.tile, FLOAT, to, f"u64({n}_from + u64({n}_place{r}))", f"{n}_holds")
            t(f"{n}_from = u64({n}_from + {n}_line * u64(4))")


def padded(gates: int) -> int:
    """Groups of a tile's rows for so many gates."""
    return 1 << (gates - 1).bit_length()


def depth_left(t: Text) -> None:
    """After the copies of all operands of a stage."""
    t(f"left = i32(left - i32({DEPTH}))")
