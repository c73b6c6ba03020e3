"""The kernel of products for which there are no tiles: one thread for each result, any strides and batch axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles.text import Text

_BYTES = {"f32": 4, "f64": 8}
NUMBERS = ("total", "rows", "columns", "inner", "a_row", "a_inner", "b_inner", "b_column")
"""int64 arguments after the addresses: results in all; sizes; distances in elements. For each batch axis of the result,
the last one first, follow its size and the distances from one index to the next in A and in B."""


@dataclass(frozen=True)
class PlainProduct:
    """Arguments: the addresses of A, B and out, and NUMBERS."""

    dtype: str
    batch_axes: int
    threads: int

    @property
    def kernel(self) -> Kernel:
        key = f"plain_product:{self.dtype}:{self.batch_axes}:{self.threads}"
        numbers = len(NUMBERS) + 3 * self.batch_axes
        return Kernel(key, partial(_source, self), "ppp" + "l" * numbers, self.threads)


def _source(structure: PlainProduct) -> str:
    t, dtype = Text(), structure.dtype
    bytes = _BYTES[dtype]
    axes = [(f"size{i}", f"a_axis{i}", f"b_axis{i}") for i in range(structure.batch_axes)]
    names = ["a", "b", "out", *NUMBERS, *(name for axis in axes for name in axis)]
    t.open(f"def kernel({', '.join(names)}):")
    t(f"place = i64(i64(block_x()) * i64({structure.threads}) + i64(thread()))")
    with t.block("if place < total:"):
        t("rest = u64(place)", "a_at = i64(0)", "b_at = i64(0)")
        parts = [("columns", "i64(0)", "b_column"), ("rows", "a_row", "i64(0)"), *axes]
        for size, a_step, b_step in parts:
            t(
                f"above = u64(rest // u64({size}))",
                f"index = i64(rest - u64(above * u64({size})))",
                "rest = above",
                f"a_at = i64(a_at + i64(index * {a_step}))",
                f"b_at = i64(b_at + i64(index * {b_step}))",
            )
        t(f"total_sum = {dtype}(0)", "k = i64(0)")
        with t.block("while k < inner:"):
            t(
                f"x = load_fixed_{dtype}(a, i64(a_at * i64({bytes})))",
                f"y = load_fixed_{dtype}(b, i64(b_at * i64({bytes})))",
                f"total_sum = fma_{dtype}(x, y, total_sum)",
                "a_at = i64(a_at + a_inner)",
                "b_at = i64(b_at + b_inner)",
                "k = i64(k + i64(1))",
            )
        t(f"store_{dtype}(out, i64(place * i64({bytes})), total_sum)")
    return str(t)
