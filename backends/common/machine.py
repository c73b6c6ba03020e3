"""What carries the graphs of a file out: each target has its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from netlang.runtime.ports import Array

Run = Callable[[Mapping[str, Array]], dict[str, Array]]
"""One call of a graph with arrays that fit. Calls may come from several threads at a time, unless they change
parameters."""


class Machine(ABC):
    """`level` is the kind of machine whose code is taken."""

    level: str

    @abstractmethod
    def graph(self, key: str, said: Mapping[str, Any], params: Mapping[str, Array]) -> Run:
        """The graph that the file keeps by this key, of which its manifest has `said` this, over these parameters.

        Those that it updates are changed in place, perhaps not before somebody settles them.
        """

    @abstractmethod
    def settle(self) -> None:
        """Bring into the arrays of parameters what graphs have made of them."""

    @abstractmethod
    def changed(self) -> None:
        """Told by whoever has changed settled parameters in place."""

    def adopt(self, value: Any) -> Any:
        """An array that is in the memory of the machine already, as calls take it; None for all other values."""
        return None
