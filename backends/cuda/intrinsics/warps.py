"""What the 32 threads of a warp do together. All of them have to take part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netlang.backends.cuda.intrinsics.emission import I32, I64, TYPES, Emission
from netlang.backends.cuda.intrinsics.machine import Machine
from netlang.backends.cuda.intrinsics.word import Word

_SOURCES: dict[str, tuple[str, Callable[[int, int], int]]] = {
    "shuffle": ("idx", lambda lane, operand: operand & 31),
    "shuffle_down": ("down", lambda lane, operand: lane + operand if lane + operand < 32 else lane),
    "shuffle_up": ("up", lambda lane, operand: lane - operand if lane >= operand else lane),
    "shuffle_xor": ("bfly", lambda lane, operand: (lane ^ operand) & 31),
}
"""Kinds of shuffles: PTX's name, and from which lane a lane gets its value."""


def _shuffle(name: str, type: str) -> Word:
    mode, source = _SOURCES[name]
    bounds = "0" if mode == "up" else "31"
    text = f"shfl.sync.{mode}.b32 $0, $1, $2, {bounds}, 0xffffffff;"

    def once(e: Emission, bits: Any, operand: Any) -> Any:
        return e.assembly(text, "u32(u32,i32)", (bits, operand), effects=True, together=True)

    def emit(e: Emission, value: Any, operand: Any) -> Any:
        b = e.builder
        if type in ("f32", "i32", "u32"):
            return b.bitcast(once(e, b.bitcast(value, I32), operand), TYPES[type])
        bits = b.bitcast(value, I64)
        low, high = once(e, b.trunc(bits, I32), operand), once(e, b.trunc(b.lshr(bits, I64(32)), I32), operand)
        whole = b.or_(b.shl(b.zext(high, I64), I64(32)), b.zext(low, I64))
        return b.bitcast(whole, TYPES[type])

    def meaning(machine: Machine, arguments: list[Any]) -> list[Any]:
        return [arguments[source(lane, operand)][0] for lane, (_, operand) in enumerate(arguments)]

    return Word(f"{name}_{type}", f"{type}({type},i32)", emit, meaning, "warp")


def _ballot(machine: Machine, arguments: list[Any]) -> list[int]:
    return [sum(1 << lane for lane, (holds,) in enumerate(arguments) if holds)] * 32


def _emit_ballot(e: Emission, holds: Any) -> Any:
    text = "{ .reg .pred p; setp.ne.u32 p, $1, 0; vote.sync.ballot.b32 $0, p, 0xffffffff; }"
    return e.assembly(text, "u32(u32)", (e.builder.zext(holds, I32),), effects=True, together=True)


WORDS = (
    *(_shuffle(name, type) for name in _SOURCES for type in ("f32", "f64", "i32", "i64", "u32", "u64")),
    # Bit l of the result: whether it holds in lane l.
    Word("ballot", "u32(bool)", _emit_ballot, _ballot, "warp"),
)
