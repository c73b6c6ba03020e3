"""The kernel that packs a factor for wgmma: numbers of k side by side, rounded to tf32 or halves, rows of 128 bytes.

A line of the packed factor has as many words of four bytes as its numbers of k take, up to a multiple of a stage, the
rest zeros. One thread makes 16 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles.block_tile import CHUNK_BYTES, DEPTH, FLOAT, Precision
from netlang.backends.cuda.tiles.text import Text

_WORDS = CHUNK_BYTES // FLOAT


@dataclass(frozen=True)
class FactorPack:
    """along: the factor has its numbers of k side by side; neighbouring threads go on along k, else along its rows."""

    precision: Precision
    along: bool
    threads: int = 256

    @property
    def numbers(self) -> int:
        """Of k in a word."""
        return 1 if self.precision == "tf32" else 2

    def words(self, inner: int) -> int:
        """Of a line."""
        return -(-inner // (DEPTH * self.numbers)) * DEPTH

    @property
    def kernel(self) -> Kernel:
        """Arguments: the factor, the packed factor; int64 lines in all, rows and numbers of k of each matrix, words of
        a packed line. A thread for each four words."""
        order = "along" if self.along else "across"
        key = f"factor_pack:{self.precision}:{order}:{self.threads}"
        return Kernel(key, partial(_source, self), "ppllll", self.threads)

    def blocks(self, lines: int, inner: int) -> int:
        """Blocks for so many lines."""
        return -(-lines * self.words(inner) // (_WORDS * self.threads))


def _source(pack: FactorPack) -> str:
    t, count = Text(), _WORDS * pack.numbers
    t.open("def kernel(factor, packed, lines, rows, inner, words):")
    t(
        f"place = i64(i64(block_x()) * i64({pack.threads}) + i64(thread()))",
        f"chunks = i64(u64(words) // u64({_WORDS}))",
    )
    with t.block("if place < i64(lines * chunks):"):
        beside, name, other = ("chunks", "chunk", "line") if pack.along else ("lines", "line", "chunk")
        t(
            f"{other} = i64(u64(place) // u64({beside}))",
            f"{name} = i64(place - i64({other} * {beside}))",
            f"k = i64(chunk * i64({count}))",
            "matrix = i64(u64(line) // u64(rows))",
            "row = i64(line - i64(matrix * rows))",
            "start = i64(matrix * i64(rows * inner))",
        )
        for i in range(count):
            at = (
                f"i64(i64(row * inner) + i64(k + i64({i})))"
                if pack.along
                else f"i64(i64(i64(k + i64({i})) * rows) + row)"
            )
            t(f"x{i} = f32(0)")
            with t.block(f"if i64(k + i64({i})) < inner:"):
                t(f"x{i} = load_fixed_f32(factor, i64(i64(start + {at}) * i64({FLOAT})))")
        if pack.precision == "tf32":
            made = [f"round_tf32(x{i})" for i in range(count)]
        else:
            made = [f"pack_{pack.precision}x2(x{i + 1}, x{i})" for i in range(0, count, 2)]
        t(
            f"to = i64(i64(i64(line * words) + i64(chunk * i64({_WORDS}))) * i64({FLOAT}))",
            f"store_raw16(packed, to, ({', '.join(made)}))",
        )
    return str(t)
