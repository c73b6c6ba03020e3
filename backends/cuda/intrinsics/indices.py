"""Which thread and block this is, as int32, and the barrier of a block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netlang.backends.cuda.intrinsics.emission import I32, Emission, assembly
from netlang.backends.cuda.intrinsics.machine import Machine
from netlang.backends.cuda.intrinsics.word import Word


def _register(name: str) -> Callable[[Emission], Any]:
    return lambda e: e.call(f"llvm.nvvm.read.ptx.sreg.{name}", I32, ())


def _block(axis: int) -> Callable[[Machine], Callable[[], int]]:
    return lambda machine: lambda: machine.block[axis]


def _blocks(axis: int) -> Callable[[Machine], Callable[[], int]]:
    return lambda machine: lambda: machine.blocks[axis]


def _of_thread(function: Callable[[int], int]) -> Callable[[Machine], Callable[[], int]]:
    return lambda machine: lambda: function(machine.thread)


def _lane(e: Emission) -> Any:
    return e.builder.and_(_register("tid.x")(e), I32(31))


def _warp(e: Emission) -> Any:
    return e.builder.lshr(_register("tid.x")(e), I32(5))


def _block_meets(machine: Machine, arguments: list[Any]) -> list[None]:
    machine.meet(None)
    return [None] * len(arguments)


def _warp_meets(machine: Machine, arguments: list[Any]) -> list[None]:
    machine.meet(machine.thread >> 5)
    return [None] * len(arguments)


WORDS = (
    Word("thread", "i32()", _register("tid.x"), _of_thread(lambda t: t), "bound"),
    Word("lane", "i32()", _lane, _of_thread(lambda t: t & 31), "bound"),
    Word("warp", "i32()", _warp, _of_thread(lambda t: t >> 5), "bound"),
    *(Word(f"block_{axis}", "i32()", _register(f"ctaid.{axis}"), _block(i), "bound") for i, axis in enumerate("xyz")),
    *(
        Word(f"blocks_{axis}", "i32()", _register(f"nctaid.{axis}"), _blocks(i), "bound")
        for i, axis in enumerate("xyz")
    ),
    Word("sync", "none()", assembly("bar.sync 0;", "none()", effects=True, together=True), _block_meets, "block"),
    # As `sync` for the threads of a warp: what they wrote to shared memory is visible to each other.
    Word(
        "sync_warp",
        "none()",
        assembly("bar.warp.sync 0xffffffff;", "none()", effects=True, together=True),
        _warp_meets,
        "warp",
    ),
)
