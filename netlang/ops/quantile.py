"""From uniform to normal random numbers: the inverse of the normal distribution function.

M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37, 1988
(PPND16): two quotients of polynomials, exact to about 1e-16, the one for the tails of sqrt(-log p).

Everything is done in float64 with sums, products, quotients and square roots, each of which IEEE 754 defines to the
last bit, in an order that is fixed here: every backend gives the same numbers. That is why the logarithm is written
out.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

CENTRE = 0.425
"""How far from 1/2 a probability is in the centre, not in a tail."""
CENTRE_SQUARE = 0.180625
TAIL_SHIFT = 1.6
LN2 = log(2.0)
SQRT2 = 2.0**0.5

# Highest power first.
CENTRE_OVER = (
    2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
    1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
)  # fmt: skip
CENTRE_UNDER = (
    5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
    5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
)  # fmt: skip
TAIL_OVER = (
    7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
    3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
)  # fmt: skip
TAIL_UNDER = (
    1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
    6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
)  # fmt: skip
ATANH = tuple(1.0 / power for power in range(23, 0, -2))
"""artanh(s) = s (1 + s^2/3 + s^4/5 + ...), for |s| < 0.18."""

Numbers = NDArray[np.float64]


def normal_quantile(words: NDArray[np.uint32]) -> Numbers:
    """The number that a normal variable stays below with probability (word + 1/2) / 2^32, for every word."""
    p = (words.astype(np.float64) + 0.5) * 2.0**-32
    q = p - 0.5
    square = CENTRE_SQUARE - q * q
    centre = q * (_polynomial(square, CENTRE_OVER) / _polynomial(square, CENTRE_UNDER))
    # Both are computed for every word, as vectors do: the other one's value is finite too.
    root = np.sqrt(-_logarithm(np.where(q < 0.0, p, 1.0 - p))) - TAIL_SHIFT
    tail = _polynomial(root, TAIL_OVER) / _polynomial(root, TAIL_UNDER)
    return np.where(np.abs(q) <= CENTRE, centre, np.where(q < 0.0, -tail, tail))


def _polynomial(x: Numbers, coefficients: tuple[float, ...]) -> Numbers:
    """Horner's scheme, highest power first, every step rounded."""
    out = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        out = out * x + c
    return out


def _logarithm(x: Numbers) -> Numbers:
    """log(x) of normal positive numbers: log(2^e m) = e log 2 + 2 artanh((m - 1) / (m + 1)), m around 1."""
    bits = x.view(np.int64)
    exponent = (bits >> 52) - 1023
    mantissa = ((bits & ((1 << 52) - 1)) | (1023 << 52)).view(np.float64)
    large = mantissa > SQRT2
    mantissa = np.where(large, mantissa * 0.5, mantissa)
    exponent = np.where(large, exponent + 1, exponent)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    return exponent.astype(np.float64) * LN2 + (s + s) * _polynomial(s * s, ATANH)
