"""Memory that is not a program's own."""

from typing import NamedTuple


class External(NamedTuple):
    """An array that the caller brings along: `kind` is input, param or output."""

    kind: str
    name: str
