"""What a kernel is: a structure that names it, and how to build its machine code when no cache has it.

Machine code has the C signature `void(int64 *args, int64 tid, int64 threads)`. `args` points to a table of addresses
and sizes; thread `tid` of `threads` does its share. Three promises that everything else relies on:

- `kernel(args, 0, 1)` does the whole work;
- what is computed for one element of the result does not depend on `tid` and `threads`, bit for bit;
- no Python object, no exception, no allocation: nothing that needs the interpreter.

A kernel is keyed by structure (op, element types, which strides are zero, tile shape); sizes are arguments. The key
must say everything that `build` depends on, except the target and the sources of this package, which the cache adds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KernelFunction = Callable[..., Any]
"""A Python function of (args, tid, threads) in Numba's language, which calls intrinsics to reach memory."""

SIGNATURE = "void(int64, int64, int64)"


@dataclass(frozen=True)
class Kernel:
    """`build` is called only if the object code is not in the cache; only there may Numba be imported.

    fastmath    LLVM's floating-point flags for the whole kernel, such as `("contract",)`; part of the key
    signature   Numba's name for the machine code's type; only the walker's entry points have another one
    """

    key: str
    build: Callable[[], KernelFunction] = field(compare=False, repr=False)
    fastmath: tuple[str, ...] = ()
    signature: str = SIGNATURE


def emitted(key: str, emit: Callable[..., None]) -> Kernel:
    """A kernel whose body is LLVM IR: `emit(builder, args, tid, threads)` writes it into an open llvmlite builder.

    `builder` is an `llvmlite.ir.IRBuilder`, the other three are i64 values; `emit` may add blocks and must leave the
    builder at the end of the block where the kernel continues.
    """

    def build() -> KernelFunction:
        from netlang.backends.cpu.intrinsics import function_of_ir

        return function_of_ir(emit)

    return Kernel(key, build)


def native(
    module: str, maker: str, *parameters: Any, fastmath: tuple[str, ...] = (), signature: str = SIGNATURE
) -> Kernel:
    """A kernel written as a Numba function: `maker(*parameters)` of module `netlang.backends.cpu.native.<module>`
    returns it. The module is imported only to compile; the parameters are part of the key.
    """

    def build() -> KernelFunction:
        from importlib import import_module

        function: KernelFunction = getattr(import_module(f"netlang.backends.cpu.native.{module}"), maker)(*parameters)
        return function

    key = f"{module}.{maker}({', '.join(map(repr, parameters))})"
    return Kernel(key, build, fastmath, signature)
