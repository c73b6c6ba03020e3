"""Machine code in memory: from kernels to addresses, through the object cache, compiling only what is missing."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import threading
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from netlang.backends.cpu import cache as objects
from netlang.backends.cpu.dump import dump_kernel
from netlang.backends.cpu.elf import ELF
from netlang.backends.cpu.foreign import LIBM
from netlang.backends.cpu.kernel import Kernel
from netlang.backends.cpu.link import link
from netlang.backends.cpu.placed import Placed
from netlang.backends.cpu.target import Target, host, initialize
from netlang.runtime.interruption import deferred

_lock = threading.RLock()
_addresses: dict[str, int] = {}


_placed: list[Placed] = []
"""Never given back: threads may be inside its code until the very end."""


@cache
def _engine() -> Any:
    """LLVM's own linker for objects that are not ELF, one for the process."""
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    for name in LIBM:
        llvm.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
    machine = llvm.Target.from_default_triple().create_target_machine()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def address(kernel: Kernel, target: Target | None = None) -> int:
    """The address of a kernel's machine code for a target that runs here, which stays valid as long as the process
    lives."""
    target = target or host()
    name = objects.digest(kernel, target)
    with _lock:
        initialize()
        if name not in _addresses:
            _addresses[name] = _link(*_object(kernel, name, target))
        return _addresses[name]


def is_there(kernel: Kernel, target: Target | None = None) -> bool:
    """Whether nothing has to be compiled for a kernel."""
    name = objects.digest(kernel, target or host())
    return name in _addresses or objects.read(name) is not None


def compile_now(kernel: Kernel, target: Target | None = None) -> tuple[str, bytes]:
    """(symbol, object code) of a kernel, which is in the cache from then on."""
    target = target or host()
    with _lock:
        initialize()
        return _object(kernel, objects.digest(kernel, target), target)


def _object(kernel: Kernel, name: str, target: Target) -> tuple[str, bytes]:
    found = objects.read(name)
    if found is not None:
        return found
    # Imported here because a warm cache makes it unnecessary.
    from netlang.backends.cpu.compile import compile_kernel

    with deferred():
        compiled = compile_kernel(kernel, f"netlang_{name}", target)
    dump_kernel(name, kernel.key, compiled)
    objects.write(name, compiled.symbol, compiled.object)
    return compiled.symbol, compiled.object


def _link(symbol: str, body: bytes) -> int:
    """Make an object executable. LLVM's linker would put its pieces anywhere in memory, and in a process that has much
    of it they come to be farther from each other than instructions reach: then it ends the process."""
    if body.startswith(ELF):
        linked = link({symbol: body})
        _placed.append(Placed(linked.blob, linked.imports))
        return _placed[-1].base + linked.places[symbol]
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(body))
    engine.finalize_object()
    found = engine.get_function_address(symbol)
    if not found:
        raise RuntimeError(f"the object code of {symbol} does not define it")
    return int(found)


def _after_fork() -> None:
    """Another thread of the parent may have held the lock, and is not there to let go of it."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
