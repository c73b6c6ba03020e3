"""Vectors of generated code as the numbers of Winograd's transforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netlang.backends.cpu.tiles.emitter import Emitter


@dataclass(frozen=True)
class Vectors:
    """Implements `netlang.backends.common.winograd.Arithmetic`."""

    e: Emitter

    def constant(self, value: float) -> Any:
        return self.e.constant(value)

    def add(self, x: Any, y: Any) -> Any:
        return self.e.b.fadd(x, y)

    def sub(self, x: Any, y: Any) -> Any:
        return self.e.b.fsub(x, y)

    def mul(self, x: Any, y: Any) -> Any:
        return self.e.b.fmul(x, y)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        return self.e.fma(x, y, z)
