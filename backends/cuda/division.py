"""Division by a number that a launch knows and its kernel does not: a product and a shift instead of some 20
instructions.

For 0 <= n < 2**31 and 1 <= d < 2**31, with (factor, shift) of `reciprocal(d)`:

    n // d = quotient_u32(n, factor, shift) = (mulhi(n, factor) + n) >> shift

T. Granlund, P. Montgomery, "Division by invariant integers using multiplication", PLDI 1994.
"""

from __future__ import annotations

from netlang.backends.common.steps import Number, Sizes, evaluated


def reciprocal(divisor: int) -> tuple[int, int]:
    """(factor, shift): factor < 2**32, shift < 32. A divisor of 0, where nothing is divided, is taken as 1."""
    d = max(1, divisor)
    shift = (d - 1).bit_length()
    return ((1 << 32) * ((1 << shift) - d)) // d + 1, shift


def divisor_arguments(divisor: Number) -> list[Number]:
    """What a kernel gets to divide by a number: itself, and its factor and shift; int32 each, the factor's bits."""

    def factor(sizes: Sizes) -> int:
        found, _ = reciprocal(evaluated(divisor, sizes))
        return found - (1 << 32) if found >= 1 << 31 else found

    return [divisor, factor, lambda sizes: reciprocal(evaluated(divisor, sizes))[1]]
