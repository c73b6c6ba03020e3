"""Shared memory: where it is, and asynchronous copies into it (sm_80).

A copy has `size` bytes, 4, 8 or 16, of which `count` are read and the rest become zeros; both addresses are aligned to
`size`. It is done when a wait says so, in the thread that asked for it; the others need `sync()` after that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from netlang.backends.cuda.intrinsics.emission import I8, I32, SHARED, Emission, assembly
from netlang.backends.cuda.intrinsics.machine import Machine
from netlang.backends.cuda.intrinsics.word import Word

ALIGNMENT = 1024
"""Of the start of shared memory: what the 128-byte swizzle of warp-group operands asks for."""
_NAME = "netlang_shared"
MOST_PENDING = 8


def _shared_base(e: Emission) -> Any:
    """The address of the block's dynamic shared memory."""
    module = e.builder.module
    memory = module.globals.get(_NAME)
    if memory is None:
        memory = ir.GlobalVariable(module, ir.ArrayType(I8, 0), _NAME, addrspace=SHARED)
        memory.linkage, memory.align = "external", ALIGNMENT
    return e.builder.ptrtoint(memory, I32)


def _copy(size: int) -> Word:
    cache = "cg" if size == 16 else "ca"  # those of 16 bytes can leave the first-level cache alone
    text = f"cp.async.{cache}.shared.global [$0], [$1], {size}, $2;"
    emit = assembly(text, "none(u32,u64,i32)", effects=True)

    def meaning(machine: Machine) -> Callable[[int, int, int], None]:
        return lambda to, source, count: machine.copy(to, source, size, count)

    return Word(f"cp_async{size}", "none(u32,u64,i32)", emit, meaning, "bound", since="80")


def _wait(pending: int) -> Word:
    emit = assembly(f"cp.async.wait_group {pending};", "none()", effects=True)

    def meaning(machine: Machine) -> Callable[[], None]:
        return lambda: machine.wait_copies(pending)

    return Word(f"cp_wait{pending}", "none()", emit, meaning, "bound", since="80")


WORDS = (
    Word("shared_base", "u32()", _shared_base, lambda machine: lambda: machine.shared_base, "bound"),
    *(_copy(size) for size in (4, 8, 16)),
    Word(
        "cp_commit",
        "none()",
        assembly("cp.async.commit_group;", "none()", effects=True),
        lambda machine: machine.commit_copies,
        "bound",
        since="80",
    ),
    # cp_wait2: all copies but those of the last two groups are done.
    *(_wait(pending) for pending in range(MOST_PENDING)),
)
