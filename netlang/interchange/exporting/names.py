"""Names of an ONNX file: each is given once, in all of its graphs."""

from __future__ import annotations

from collections import Counter


class Names:
    """The names in use, and new ones."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: Counter[str] = Counter()

    def take(self, name: str) -> str:
        """Reserve a name that must be exactly this one."""
        self._taken.add(name)
        return name

    def fresh(self, base: str) -> str:
        """`base`, or with a number behind it where that is taken: `conv1/conv`, `conv1/conv_2`."""
        name = base
        while name in self._taken:
            self._counts[base] += 1
            name = f"{base}_{self._counts[base] + 1}"
        return self.take(name)
