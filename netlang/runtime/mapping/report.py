"""What became of the tensors of a file when a net took weights of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MOST_LINES = 20
"""Names of a kind that the text of a report lists."""


@dataclass(frozen=True)
class Loaded:
    """path      the file
    taken     the tensors of which each parameter was made: several are a sum
    guessed   those parameters of `taken` that were found by order and shape
    lacking   parameters for which the file has nothing: they stay as they were
    left      tensors of the file that were not taken, with the reason
    idle      lines of the table that match no tensor
    """

    path: str
    taken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guessed: frozenset[str] = frozenset()
    lacking: tuple[str, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)
    idle: tuple[str, ...] = ()

    def __str__(self) -> str:
        renamed = sum(tensors != (name,) for name, tensors in self.taken.items())
        lines = [f"{self.path}: tensors taken: {len(self.taken):,}, under other names: {renamed:,}"]
        pairs = [f"{name} <- {' + '.join(self.taken[name])}" for name in self.taken if name in self.guessed]
        lines += _listed("guessed by order and shape", pairs)
        lines += _listed("not in the file", self.lacking)
        lines += _listed("left out", [f"{name}: {reason}" for name, reason in self.left.items()])
        lines += _listed("lines of the table that match nothing", self.idle)
        return "\n".join(lines)


def _listed(what: str, names: Sequence[str]) -> list[str]:
    shown = [f"    {name}" for name in names[:MOST_LINES]]
    more = [f"    and {len(names) - MOST_LINES:,} more"] if len(names) > MOST_LINES else []
    return [f"  {what}: {len(names):,}", *shown, *more] if names else []
