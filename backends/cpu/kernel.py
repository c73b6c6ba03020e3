"""What a kernel is: a structure that names it, and where its machine code comes from when no cache has it.

Machine code has the C signature `void(int64 *args, int64 tid, int64 threads)`. `args` points to a table of addresses
and sizes; thread `tid` of `threads` does its share. Three promises that everything else relies on:

- `kernel(args, 0, 1)` does the whole work;
- what is computed for one element of the result does not depend on `tid` and `threads`, bit for bit;
- no Python object, no exception, no allocation: nothing that needs the interpreter.

A kernel is keyed by structure (op, element types, which strides are zero, tile shape); sizes are arguments. The key
must say everything that the code depends on, except the target and the sources it is made by, which the cache adds.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

KernelFunction = Callable[..., Any]
"""A Python function of (args, tid, threads) in Numba's language, which calls intrinsics to reach memory."""

SIGNATURE = "void(int64, int64, int64)"


class Emitted(NamedTuple):
    """LLVM IR: `emit(builder, args, tid, threads)` writes it into an open builder. Needs llvmlite, not Numba."""

    emit: Callable[..., None]


class Native(NamedTuple):
    """A Numba function: `maker(*parameters)` of a module, which is imported only to compile, returns it."""

    module: str
    maker: str
    parameters: tuple[Any, ...] = ()

    def build(self) -> KernelFunction:
        function: KernelFunction = getattr(import_module(self.module), self.maker)(*self.parameters)
        return function


class Kernel:
    """Compared by all but `source`, which is looked into only if the object code is not in the cache.

    fastmath    LLVM's floating-point flags for a whole Numba function, such as `("contract",)`; part of the key
    signature   Numba's name for the machine code's type; only the walker's entry points have another one
    """

    __slots__ = ("fastmath", "key", "signature", "source")

    def __init__(
        self, key: str, source: Emitted | Native, fastmath: tuple[str, ...] = (), signature: str = SIGNATURE
    ) -> None:
        self.key, self.source, self.fastmath, self.signature = key, source, fastmath, signature

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kernel) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Kernel({self.key!r})"

    def _compared(self) -> tuple[Any, ...]:
        return self.key, self.fastmath, self.signature


def emitted(key: str, emit: Callable[..., None]) -> Kernel:
    """A kernel whose body is LLVM IR: `emit(builder, args, tid, threads)` writes it into an open llvmlite builder.

    `builder` is an `llvmlite.ir.IRBuilder`, the other three are i64 values; `emit` may add blocks and must leave the
    builder at the end of the block where the kernel continues. It is a module's function, or a `partial` or closure
    of such with what it needs: the cache looks there for the sources that the code depends on.
    """
    return Kernel(key, Emitted(emit))


def native(
    module: str, maker: str, *parameters: Any, fastmath: tuple[str, ...] = (), signature: str = SIGNATURE
) -> Kernel:
    """A kernel written as a Numba function: `maker(*parameters)` of module `netlang.backends.cpu.native.<module>`
    returns it. The module is imported only to compile; the parameters are part of the key.
    """
    source = Native(f"netlang.backends.cpu.native.{module}", maker, parameters)
    return Kernel(f"{module}.{maker}({', '.join(map(repr, parameters))})", source, fastmath, signature)
