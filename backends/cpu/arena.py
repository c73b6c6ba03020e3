"""Where the rooms of a program are in its arena, for given sizes."""

from itertools import accumulate
from typing import NamedTuple

from netlang import placement
from netlang.backends.common.numbers import Sizes, evaluated
from netlang.backends.cpu.program import Claim, Program, Room
from netlang.placement import align, place


class Arena(NamedTuple):
    """Bytes of it, and how many bytes after its start each room begins."""

    bytes: int
    offsets: dict[Room, int]


def plan_arena(program: Program, sizes: Sizes) -> Arena:
    """Places for all claims: no two that are needed at the same time overlap."""
    inner = [_inside(claim, sizes) for claim in program.claims]
    buffers = [
        placement.Buffer(size, claim.start, claim.end) for claim, (_, size) in zip(program.claims, inner, strict=True)
    ]
    places, peak = place(buffers)
    offsets: dict[Room, int] = {}
    for claim, (own, _), start in zip(program.claims, inner, places, strict=True):
        offsets.update({room: start + offset for room, offset in zip(claim.rooms, own, strict=True)})
    return Arena(peak, offsets)


def kept_bytes(program: Program) -> int:
    """Bytes that are kept once per set of parameters."""
    return sum(evaluated(room.bytes, {}) for room in program.kept)


def _inside(claim: Claim, sizes: Sizes) -> tuple[list[int], int]:
    """Where the rooms of a claim are in its piece, and the size of that."""
    if claim.lives is None:
        # A tensor without elements has a place too: lines are given its address.
        return [0] * len(claim.rooms), align(max(1, evaluated(claim.rooms[0].bytes, sizes)))
    bytes = [align(evaluated(room.bytes, sizes)) for room in claim.rooms]
    lives = [life for life in claim.lives if life is not None]
    if len(lives) == len(bytes):
        return place([placement.Buffer(b, *life) for b, life in zip(bytes, lives, strict=True)])
    ends = list(accumulate(bytes, initial=0))
    return ends[:-1], ends[-1]
