"""What is no tensor but known while a network is imported: sequences of tensors, and optionals without a value.

A sequence is a list here, so a network that is written out has none. An optional with a value is that value.
"""

from __future__ import annotations

from dataclasses import dataclass

from netlang.interchange.importing.known import Known
from netlang.interchange.importing.sheet import Tensor


@dataclass(frozen=True, eq=False)
class Items:
    """A sequence. `items` may hold sequences, too."""

    items: tuple[Tensor | Known | Items | Nothing, ...]


@dataclass(frozen=True, eq=False)
class Nothing:
    """An optional without a value."""


Anything = Tensor | Known | Items | Nothing
