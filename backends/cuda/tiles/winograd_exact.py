"""One patch of a convolution by its definition, for where Winograd's transform would spread NaN and infinity.

The transform computes m by m results from all elements of a patch: one that is not finite, or an overflow on the way,
would reach results whose sum it is no part of. Such patches are rare; they are computed again, as slowly as may be.
"""

from __future__ import annotations

from itertools import product

from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.winograd_text import TAPS


def make_exact(t: Text, m: int) -> None:
    """Compute the results y00, y01, ... of a patch again where their sum is not finite."""
    results = [f"y{i}{j}" for i, j in product(range(m), repeat=2)]
    t("nothing = f32(0)", *(f"nothing = f32(nothing + {y})" for y in results), "nothing = f32(nothing - nothing)")
    with t.block("if nothing != nothing:"):
        t("; ".join(f"{y} = f32(0)" for y in results))
        t(
            "source = u64(x + u64(i64(n) * x_image))",
            "weight = i64(channel) * out_stride",
            "inner = i32(0)",
        )
        with t.block("while inner < channels:"):
            t("tap = i32(0)")
            with t.block(f"while tap < i32({TAPS * TAPS}):"):
                _tap(t, m)
                t("tap = i32(tap + i32(1))")
            t("inner = i32(inner + i32(1))", "weight = i64(weight + in_stride)")


def _tap(t: Text, m: int) -> None:
    """Add what one tap of one input channel contributes."""
    t(
        f"tap_row = i32(div_u32(u32(tap), u32({TAPS})))",
        f"tap_column = i32(tap - i32(tap_row * i32({TAPS})))",
        "at = i64(weight + i64(tap_row) * down_stride + i64(tap_column) * across_stride)",
        "w = load_fixed_f32(weights, i64(at * i64(4)))",
        "tap_row = i32(i32(row - pad_top) + tap_row)",
        "tap_column = i32(i32(column - pad_left) + tap_column)",
        "first = i64(i64(inner) * i64(height) + i64(tap_row)) * i64(width) + i64(tap_column)",
        "at = i64(first * i64(4))",
    )
    for i in range(m):
        t(f"held = u32(i32(tap_row + i32({i}))) < u32(height)")
        for j in range(m):
            t("d = f32(0)")
            with t.block(f"if held and u32(i32(tap_column + i32({j}))) < u32(width):"):
                t(f"d = load_fixed_f32(source, i64(at + i64({4 * j})))")
            t(f"y{i}{j} = fma_f32(d, w, y{i}{j})")
        t("at = i64(at + i64(width) * i64(4))")
