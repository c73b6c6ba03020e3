"""Steps of a body put where the body is carried out: its values replaced by the places that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netlang.backends.common.context import storage
from netlang.backends.common.steps import Arg, At, Buffer, Moving, Place, Scratch, Step, bases, further
from netlang.ir.graph import Value

Where = Mapping[Buffer, Place]
"""Places by storages of a body's values, or by scratches that stand for something else."""


def moved(step: Step, where: Where) -> Step:
    """A step with the body's values replaced by where they live."""
    writes = dict.fromkeys(b for buffer in step.writes for b in bases(placed(buffer, where)))
    return replace(step.mapped(lambda arg: _argument(arg, where)), writes=tuple(writes))


def placed(place: Place, where: Where) -> Place:
    """Where a place of the body is outside."""
    if isinstance(place, At):
        found = placed(place.buffer, where)
        return At(found, place.offset) if isinstance(found, Value | Scratch) else further(found, place.offset)
    if isinstance(place, Moving):
        first, second, third = (placed(p, where) for p in place.at)
        return replace(place, at=(first, second, third))
    return where.get(storage(place) if isinstance(place, Value) else place, place)


def _argument(arg: Arg, where: Where) -> Arg:
    return placed(arg, where) if isinstance(arg, Value | Scratch | At | Moving) else arg
