"""Local response normalisation in registers: from a sum of squares to what an element is divided by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netlang.backends.cpu.tiles import vector_math
from netlang.backends.cpu.tiles.emitter import Emitter


@dataclass(frozen=True)
class Response:
    """The attributes of `local_response_norm`: x / (k + alpha / size * sum)^beta."""

    size: int
    alpha: float
    beta: float
    k: float

    @property
    def before(self) -> int:
        """Channels of a window before its own."""
        return self.size // 2

    @property
    def after(self) -> int:
        return (self.size - 1) // 2


def base(e: Emitter, response: Response, total: Any) -> Any:
    """k + alpha / size * total."""
    return e.fma(total, e.constant(response.alpha / response.size), e.constant(response.k))


def power(e: Emitter, value: Any, exponent: float) -> Any:
    """value^exponent for values of at least 0: by square roots where the exponent is up to two and a half in quarters,
    as in the usual 0.75."""
    quarters = exponent * 4
    if quarters != int(quarters) or quarters > 10:
        return vector_math.exp(e, e.b.fmul(vector_math.log(e, value), e.constant(exponent)))
    whole, rest = divmod(int(quarters), 4)
    factors = [value] * whole
    if rest:
        root = e.unary("sqrt", value)
        factors += [root] if rest & 2 else []
        factors += [e.unary("sqrt", root)] if rest & 1 else []
    found = factors[0] if factors else e.constant(1)
    for factor in factors[1:]:
        found = e.b.fmul(found, factor)
    return found
