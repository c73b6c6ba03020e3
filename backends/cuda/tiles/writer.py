"""Writing the text of a kernel line by line: names that are used once, blocks, numbers of a type."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from netlang.backends.common.element import UNSIGNED

FLOATS = frozenset({"f32", "f64"})


@dataclass(frozen=True)
class Term:
    """A value in a kernel: a variable or number, and its type in registers, named as `DType` does or `raw4`."""

    text: str
    dtype: str

    def __str__(self) -> str:
        return self.text

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS


class Writer:
    """The lines of one function so far."""

    def __init__(self, parameters: Sequence[str]) -> None:
        self._lines = [f"def kernel({', '.join(parameters)}):"]
        self._depth = 1
        self._names = 0

    @property
    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def line(self, text: str) -> None:
        self._lines.append("    " * self._depth + text)

    def fresh(self, hint: str = "t") -> str:
        """A name that nothing else has."""
        self._names += 1
        return f"{hint}{self._names}"

    def let(self, text: str, hint: str = "t") -> str:
        """A new variable with this value."""
        name = self.fresh(hint)
        self.line(f"{name} = {text}")
        return name

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Lines below `if ...` or `while ...`."""
        self.line(f"{header}:")
        self._depth += 1
        yield
        self._depth -= 1


def literal(dtype: str, value: float | int | bool) -> str:
    """A number of a register type. What decimal digits cannot say is given by its bits."""
    if dtype == "bool":
        return str(bool(value))
    if dtype not in FLOATS:
        return _integer(dtype, int(value))
    number = float(value)
    if math.isfinite(number) and not _is_minus_zero(number):
        return f"{dtype}({number!r})"
    if dtype == "f32":
        return f"f32_of_bits(u32({struct.unpack('<I', struct.pack('<f', number))[0]:#x}))"
    return f"f64_of_bits(u64({struct.unpack('<Q', struct.pack('<d', number))[0]:#x}))"


def _is_minus_zero(number: float) -> bool:
    return number == 0.0 and math.copysign(1.0, number) < 0


def _integer(dtype: str, value: int) -> str:
    if value == -(1 << 63):  # its digits without the sign are no int64
        return "i64(-9223372036854775807 - 1)"
    kind = dtype if dtype in ("i64", "u64") else "u32" if dtype in UNSIGNED else "i32"
    return f"{kind}({value})"
