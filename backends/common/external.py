"""Memory that is not a program's own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class External:
    """An array that the caller brings along: `kind` is input, param or output."""

    kind: str
    name: str
