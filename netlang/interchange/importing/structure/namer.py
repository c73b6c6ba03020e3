"""Names that nothing has yet."""

from __future__ import annotations

import re

from netlang.interchange.importing.structure.parameters import taken_names

_LOCAL_NAMES = "habcdefgpqrst"
_GIVEN = re.compile(rf"[{_LOCAL_NAMES}]\d*|_unused\d*")


def is_given(name: str) -> bool:
    """Whether a name says no more than those that are given here."""
    return _GIVEN.fullmatch(name) is not None


class Namer:
    """Names that nothing has: `h`, `a`, `b`, ... for tensors of a block."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = {*taken, *taken_names()}

    def fresh(self, plain: str) -> str:
        name, count = plain, 1
        while name in self.taken:
            count += 1
            name = f"{plain}{count}"
        self.taken.add(name)
        return name

    def local(self) -> str:
        free = next((letter for letter in _LOCAL_NAMES if letter not in self.taken), "")
        return self.fresh(free or "h")
