"""From a kernel to object code, through Numba. Imported only where no cache has the object: needs Numba."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numba

from netlang.backends.cpu.kernel import Kernel
from netlang.backends.cpu.loader import LIBM

ALLOWED = frozenset((*LIBM, "syscall", "sched_yield", "SwitchToThread", "clock_gettime", "memset", "memcpy", "memmove"))
"""What object code may leave to the linker."""

_DECLARED = re.compile(r'^declare [^@]*@"?((?!llvm\.)[\w.$]+)"?\(', re.MULTILINE)


@dataclass(frozen=True)
class Compiled:
    """`symbol` is the C entry point in `object`, a relocatable object file for this machine."""

    symbol: str
    object: bytes
    library: Any

    @property
    def assembly(self) -> str:
        return str(self.library.get_asm_str())

    @property
    def llvm(self) -> str:
        return str(self.library.get_llvm_str())


def compile_kernel(kernel: Kernel, name: str) -> Compiled:
    """Compile a kernel. `name` must be an identifier that no other kernel of any process has: symbols contain it."""
    function = kernel.build()
    function.__name__ = function.__qualname__ = name
    # Inlined into its C entry point, a function that cannot fail loses the code that would report its failure.
    options: dict[str, Any] = {"error_model": "numpy", "boundscheck": False, "forceinline": True}
    compiled: Any = numba.cfunc(kernel.signature, fastmath=set(kernel.fastmath) or False, **options)(function)
    library = compiled._library
    foreign = sorted(set(_DECLARED.findall(library.get_llvm_str())) - ALLOWED)
    if foreign:
        raise RuntimeError(f"kernel {kernel.key} would need {', '.join(foreign)}: it must not call the interpreter")
    return Compiled(compiled.native_name, library._get_compiled_object(), library)
