"""Axes as a file gives them, counted from the end where they are below 0."""

from __future__ import annotations

from collections.abc import Sequence

from netlang.interchange.importing.operator import Call


def axis_of(call: Call, axis: int, rank: int) -> int:
    """An axis counted from 0. Raises Refused for one that is not there."""
    if not -rank <= axis < rank:
        raise call.refuse(f"there is no axis {axis} among {rank}")
    return int(axis) % rank


def axes_of(call: Call, axes: Sequence[int], rank: int) -> list[int]:
    """Axes counted from 0, each once."""
    found = [axis_of(call, a, rank) for a in axes]
    if len({*found}) != len(found):
        raise call.refuse(f"an axis is named twice: {list(axes)}")
    return found
