"""The kernel of products with few rows: out[b, M, N] = epilogue(A[b, M, K] B[b, K, N]), by `thin` sums."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from netlang.backends.common.epilogue import Epilogue
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles import epilogue
from netlang.backends.cuda.tiles.gemm import store
from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.thin import Thin, each_sum, write_sums

NUMBERS = ("rows", "columns", "inner", "a_row", "a_inner", "b_pitch", "row_groups", "column_groups")
"""int32 arguments: M, N, K; elements from a number of A to the next in its column and its row, from a line of B to the
next; groups of rows, and of columns, each of which is a block."""
DISTANCES = ("a_batch", "b_batch")
"""int64 arguments: bytes from one matrix to the next, 0 where all products share it."""


@dataclass(frozen=True)
class ThinProduct:
    """A thin product and what is done with its sums."""

    thin: Thin
    epilogue: Epilogue = ()

    @property
    def kernel(self) -> Kernel:
        """Arguments: A, B, out, the operands of the epilogue, NUMBERS, DISTANCES. The blocks of the grid are one row:
        groups of columns, then of rows, then products."""
        steps = ";".join(map(str, self.epilogue))
        pointers = "ppp" + "p" * len(epilogue.arguments(self.epilogue))
        arguments = pointers + "i" * len(NUMBERS) + "l" * len(DISTANCES)
        key = f"thin:{self.thin.key}:{steps}"
        return Kernel(key, partial(_source, self), arguments, self.thin.threads, self.thin.shared)


def _source(product: ThinProduct) -> str:
    thin, t = product.thin, Text()
    names = ["a", "b", "out", *epilogue.arguments(product.epilogue), *NUMBERS, *DISTANCES]
    t.open(f"def kernel({', '.join(names)}):")
    t(
        "base = shared_base()",
        "rest = u32(block_x())",
        "above = div_u32(rest, u32(column_groups))",
        f"column0 = i32(i32(rest - u32(above * u32(column_groups))) * i32({thin.block_columns}))",
        "product = div_u32(above, u32(row_groups))",
        f"row0 = i32(i32(above - u32(product * u32(row_groups))) * i32({thin.rows}))",
        "a = u64(a + u64(product) * u64(a_batch))",
        "b = u64(b + u64(product) * u64(b_batch))",
    )

    def line(c: int) -> str:
        if thin.along:
            column = f"i32(i32(column0 + i32(group * i32({thin.width}))) + i32({c}))"
        else:
            column = "i32(column0 + lane_column)"
        return f"min_i32({column}, i32(columns - i32({1 if thin.along else thin.vector})))"

    def result() -> None:
        t(
            f"row = i32(row0 + i32(i32(place >> i32({_bits(thin.width)})) & i32({thin.rows - 1})))",
            f"column = i32(place >> i32({_bits(thin.width * thin.rows)}))",
            f"column = i32(i32(column * i32({thin.width})) + i32(place & i32({thin.width - 1})))",
            "column = i32(column0 + column)",
        )
        with t.block("if row < rows and column < columns:"):
            t("element = i64(i64(i64(product) * i64(rows) + i64(row)) * i64(columns) + i64(column))")
            epilogue.apply(t, product.epilogue, ["v0"], "column", "element")
            store(t, "out", "element", ["v0"])

    write_sums(t, thin, line)
    each_sum(t, thin, result)
    return str(t)


def _bits(power: int) -> int:
    """Of a power of two."""
    assert power & (power - 1) == 0, power
    return power.bit_length() - 1
