"""From a kernel to object code. Imported only where no cache has the object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import llvmlite.binding as llvm

from netlang.backends.cpu.codegen import machine, optimized
from netlang.backends.cpu.kernel import Emitted, Kernel, Native
from netlang.backends.cpu.target import LIBM

ALLOWED = frozenset((*LIBM, "syscall", "sched_yield", "SwitchToThread", "clock_gettime", "memset", "memcpy", "memmove"))
"""What object code may leave to the linker."""


@dataclass(frozen=True)
class Compiled:
    """`symbol` is the C entry point in `object`, a relocatable object file for this machine; `module` is LLVM's."""

    symbol: str
    object: bytes
    module: Any

    @property
    def assembly(self) -> str:
        return str(machine().emit_assembly(self.module))

    @property
    def llvm(self) -> str:
        return str(self.module)


def compile_kernel(kernel: Kernel, name: str) -> Compiled:
    """Compile a kernel. `name` must be an identifier that no other kernel of any process has: symbols contain it."""
    if isinstance(kernel.source, Emitted):
        module = optimized(kernel.source.emit, name)
        compiled = Compiled(name, machine().emit_object(module), module)
    else:
        compiled = _through_numba(kernel, kernel.source, name)
    declared = {f.name for f in _functions(compiled.module) if f.is_declaration and not f.name.startswith("llvm.")}
    if foreign := sorted(declared - ALLOWED):
        raise RuntimeError(f"kernel {kernel.key} would need {', '.join(foreign)}: it must not call the interpreter")
    return compiled


def _through_numba(kernel: Kernel, source: Native, name: str) -> Compiled:
    numba = import_module("numba")  # kernels that are IR do without
    function = source.build()
    function.__name__ = function.__qualname__ = name
    # Inlined into its C entry point, a function that cannot fail loses the code that would report its failure.
    options: dict[str, Any] = {"error_model": "numpy", "boundscheck": False, "forceinline": True}
    compiled = numba.cfunc(kernel.signature, fastmath=set(kernel.fastmath) or False, **options)(function)
    library = compiled._library
    module = llvm.parse_assembly(library.get_llvm_str())
    return Compiled(compiled.native_name, library._get_compiled_object(), module)


def _functions(module: Any) -> Iterable[Any]:
    found: Iterable[Any] = module.functions
    return found
