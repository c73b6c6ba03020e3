"""Variables of a kernel's text as the numbers of Winograd's transforms, and where a patch is.

A convolution by F(m x m, 3 x 3) has four kernels: transforms of the weights and of x, a product of matrices for each of
the size * size places of a patch, size being m + 2, and the transform of the products. Between them are

    U    transformed weights    [place, output channel, input channel]
    V    transformed x          [place, patch, input channel]
    M    products               [place, output channel, patch]

with input channels and patches padded to multiples of four by zeros. Patches go through all images, m results apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from netlang.backends.cuda.tiles.lines import Lines
from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.writer import literal

TAPS = 3
"""Weights of an axis."""
UNIT = 4
"""Input channels and patches come in multiples of it: 16 bytes."""


def size_of(m: int) -> int:
    """Rows and columns of a patch of x."""
    return m + TAPS - 1


@dataclass(frozen=True)
class Variables:
    """Implements `netlang.backends.common.winograd.Arithmetic`: a number is the name of a float32, or its text."""

    lines: Lines

    def constant(self, value: float) -> str:
        return literal("f32", value)

    def add(self, x: str, y: str) -> str:
        return self.lines.let(f"f32({x} + {y})")

    def sub(self, x: str, y: str) -> str:
        return self.lines.let(f"f32({x} - {y})")

    def mul(self, x: str, y: str) -> str:
        return self.lines.let(f"f32({x} * {y})")

    def fma(self, x: str, y: str, z: str) -> str:
        return self.lines.let(f"fma_f32({x}, {y}, {z})")


def find_patch(t: Text, m: int) -> None:
    """Set `n`, `row` and `column`, image and first result, of the patch number `patch`; images have `down` by `across`
    patches."""
    t(
        "upper = div_u32(u32(patch), u32(across))",
        f"column = i32(i32(patch - i32(i32(upper) * across)) * i32({m}))",
        "n = i32(div_u32(upper, u32(down)))",
        f"row = i32(i32(i32(upper) - i32(n * down)) * i32({m}))",
    )
