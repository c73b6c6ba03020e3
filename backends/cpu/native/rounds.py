"""How a thread goes through the rounds of a loop: with tables of its own, whose addresses it moves on."""

from __future__ import annotations

from netlang.backends.cpu.control import (
    COPY,
    EVEN,
    MOVE_WORDS,
    MOVED,
    MOVES,
    ODD,
    OWN,
    PLACE,
    ROUNDS,
    SOURCE,
    SPREAD,
    STRIDE,
    WORDS,
)
from netlang.backends.cpu.intrinsics import STORE, number
from netlang.backends.cpu.native.geometry import inlined

_store = STORE["i64"]


@inlined
def begin_rounds(table: int, tid: int, over: int) -> int:
    """Get a thread ready for round 0 of a loop; returns how far to jump: `over`, to its end, where it has none."""
    own = number(table, OWN) + tid * number(table, SPREAD)
    source = table + number(table, SOURCE)
    for i in range(number(table, WORDS)):
        _store(own + COPY, i, number(source, i))
    _store(own, 0, 0)
    return 0 if number(table, ROUNDS) > 0 else over


@inlined
def next_round(table: int, tid: int, back: int) -> int:
    """Move a thread's tables on to the next round of a loop; returns how far to jump back, 0 after the last one."""
    own = number(table, OWN) + tid * number(table, SPREAD)
    current = number(own, 0) + 1
    if current >= number(table, ROUNDS):
        return 0
    _store(own, 0, current)
    odd = current & 1
    pairs = (current - 1) >> 1
    move = table + 8 * MOVED
    for _ in range(number(table, MOVES)):
        first = number(move, ODD) if odd else number(move, EVEN)
        _store(own + number(move, PLACE), 0, first + pairs * number(move, STRIDE))
        move += 8 * MOVE_WORDS
    return back
