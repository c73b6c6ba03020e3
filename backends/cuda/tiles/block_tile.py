"""The tile of a product that one block of threads computes, and how its operands lie in shared memory.

A tile is `rows` x `columns` sums over k. Both operands are staged the same way, whatever multiplies them: tile rows of
128 bytes along k (32 float32, or 64 halves that were packed before), first those of A, then those of B. A row has eight
chunks of 16 bytes; chunk c of row r lies at c ^ swizzle(r), so that copies of whole rows and the reads of eight
neighbouring rows touch all banks alike.

B may be n-major instead: a stage has DEPTH lines of its, one for each k, with the columns side by side. It is so that
matrices whose columns lie side by side in memory are copied in chunks too. Chunk c of line k lies at c ^ swizzle(k).

wgmma reads its operands from there itself: they have to be in its format already, and it dictates the swizzle.

Edges need no masks here: rows past the edge of a matrix are read as its last row again and never stored; what is past
the end of k is zero in both operands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from netlang.backends.cuda.kernel import WARP
from netlang.backends.cuda.tiles.text import Index

ROW_BYTES = 128
CHUNK_BYTES = 16
CHUNKS = ROW_BYTES // CHUNK_BYTES
FLOAT = 4
DEPTH = ROW_BYTES // FLOAT
"""float32 numbers of k in a stage."""

Precision = Literal["float32", "tf32", "bf16", "f16"]


@dataclass(frozen=True)
class BlockTile:
    """precision     how the factors are rounded; "float32" multiplies by FFMA, all others by mma.sync or wgmma
    rows, columns    of the block
    down, across     threads for FFMA, warps for mma.sync, warp groups for wgmma: how many there are along the rows and
                     along the columns
    stages           buffers in the ring
    asynchronous     filled by cp.async (sm_80), else through registers
    deep             mma.sync with k = 16 for halves (sm_80), else with k = 8
    groups           by wgmma (sm_90a)
    n_major          B lies in lines of columns; not with `groups`
    """

    precision: Precision
    rows: int
    columns: int
    down: int
    across: int
    stages: int
    asynchronous: bool = True
    deep: bool = True
    groups: bool = False
    n_major: bool = False

    def __post_init__(self) -> None:
        if self.precision == "float32":
            # Then a thread's rows all have the same swizzle.
            assert self.down % 8 == 0 and self.across % 8 == 0, self
            assert self.rows % self.down == 0 and self.columns % self.across == 0, self
        elif self.groups:
            assert (self.rows, self.columns, self.across) == (64 * self.down, 128, 1) and self.asynchronous, self
        else:
            assert self.rows % (16 * self.down) == 0 and self.columns % (16 * self.across) == 0, self
        assert self.columns >= 32, self  # sums are put into rows of at least eight chunks
        assert self.stages >= 2, self
        assert not (self.groups and self.n_major), self

    @cached_property
    def threads(self) -> int:
        """Of the block."""
        each = 1 if self.precision == "float32" else 4 * WARP if self.groups else WARP
        return self.down * self.across * each

    def swizzle(self, row: str) -> str:
        """What the chunks of a tile row are XORed with."""
        return f"i32({row} & i32(7))" if self.groups else swizzle(row)

    @property
    def line_bytes(self) -> int:
        """Of B where it is n-major: from one k to the next."""
        return self.columns * FLOAT

    def line_swizzle(self, k: Index) -> Index:
        """What the chunks of line k are XORed with: mma.sync reads two chunks of each of four lines at a time, which
        are neighbours in tf32 and four apart for halves. That of two numbers without a bit in common is that of one
        XORed with that of the other."""
        if self.precision == "float32":
            return 0
        apart = 0 if self.precision == "tf32" else 2
        return (k >> apart & 3) * 2 if isinstance(k, int) else f"i32(i32(i32({k} >> i32({apart})) & i32(3)) << i32(1))"

    @cached_property
    def stage_bytes(self) -> int:
        return (self.rows + self.columns) * ROW_BYTES

    @cached_property
    def shared(self) -> int:
        """Bytes of shared memory: of the ring, in whose place the sums are put at the end."""
        return max(self.stages * self.stage_bytes, self.rows * self.columns * FLOAT)

    @property
    def key(self) -> str:
        """All that code depends on."""
        flags = ("a" if self.asynchronous else "r") + ("" if self.deep else "8")
        flags += "g" * self.groups + "n" * self.n_major
        return f"{self.precision}/{self.rows}x{self.columns}/{self.down}x{self.across}/{self.stages}{flags}"


def swizzle(row: str) -> str:
    """What the chunks of a row are XORed with, by the row's number: neighbours differ in the highest bit, so that four
    chunks of each of two rows, which eight lanes of mma.sync read, are in different banks."""
    return f"i32(i32(i32({row} & i32(1)) << i32(2)) | i32(i32({row} >> i32(1)) & i32(3)))"
