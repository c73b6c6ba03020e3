"""From a kernel to machine code for a target. Imported only where no cache has the object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from netlang.backends.cpu.codegen import machine, optimized, text_of
from netlang.backends.cpu.foreign import ALLOWED
from netlang.backends.cpu.kernel import Emitted, Kernel
from netlang.backends.cpu.target import Target, host


@dataclass(frozen=True)
class Compiled:
    """`symbol` is the C entry point in `module`, an optimised module of LLVM's for `target`."""

    symbol: str
    module: Any
    target: Target

    @cached_property
    def object(self) -> bytes:
        """A relocatable object file."""
        return bytes(machine(self.target).emit_object(self.module))

    @cached_property
    def assembly(self) -> str:
        return str(machine(self.target).emit_assembly(self.module))

    @property
    def llvm(self) -> str:
        return str(self.module)

    def undefined(self) -> set[str]:
        """Functions that the code calls and does not define. Intrinsics of LLVM are none."""
        names = {f.name for f in self.module.functions if f.is_declaration}
        return {name for name in names if not name.startswith("llvm.")}


def compile_kernel(kernel: Kernel, name: str, target: Target | None = None) -> Compiled:
    """Compile a kernel for `target`, this machine if none is given. `name` must be an identifier that no other kernel
    of any process has: symbols contain it."""
    target = target or host()
    if isinstance(kernel.source, Emitted):
        text, symbol = text_of(kernel.source.emit, name), name
    else:
        # Imported here because it imports Numba; kernels that are IR do without.
        from netlang.backends.cpu.numba_ir import lowered

        text, symbol = lowered(kernel, kernel.source, name, target)
    compiled = Compiled(symbol, optimized(text, target), target)
    if foreign := sorted(compiled.undefined() - ALLOWED):
        raise RuntimeError(f"kernel {kernel.key} would need {', '.join(foreign)}: it must not call the interpreter")
    return compiled
