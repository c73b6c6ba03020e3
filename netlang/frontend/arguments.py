"""What an argument of an operation must be: a tensor, a flag, a number of some kind. Raises Fault where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netlang.frontend.faults import Fault
from netlang.frontend.values import describe
from netlang.ir.graph import Value
from netlang.ir.types import DType, shape_text

Arguments = Mapping[str, Any]
"""By parameter name."""


def one(value: Any) -> Value:
    """A tensor."""
    if not isinstance(value, Value):
        raise Fault(f"expected a tensor, got {describe(value)}")
    return value


def spatial(x: Value, name: str) -> int:
    """How many spatial dimensions a tensor [N, channels, ...spatial] has."""
    if x.rank < 3:
        hint = "spatial dimensions come last, channels before them"
        raise Fault(f"{name} expects [N, channels, ...spatial], got {shape_text(x.shape)}", hint=hint)
    return x.rank - 2


def flag(value: Any, what: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Fault(f"{what} is true or false, not {describe(value)}")
    return value


def whole(value: Any, what: str) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Fault(f"{what} must be a whole number, not {describe(value)}")
    if value < 1:
        raise Fault(f"{what} must be at least 1, got {value}")
    return value


def positive(value: Any, what: str) -> float:
    """A number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise Fault(f"{what} must be a positive number, not {describe(value)}")
    return float(value)


def number(value: Any, what: str) -> float:
    """A number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Fault(f"{what} must be a number of at least 0, not {describe(value)}")
    return float(value)


def word(value: Any, what: str, known: tuple[str, ...]) -> str:
    """One of some words."""
    if value not in known:
        raise Fault(f"{what} is {' or '.join(known)}, not {describe(value)}")
    return str(value)


def element_type(value: Any) -> DType:
    """An element type."""
    if not isinstance(value, DType):
        raise Fault(f"expected an element type such as f32, got {describe(value)}")
    return value
