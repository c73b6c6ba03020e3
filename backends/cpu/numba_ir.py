"""LLVM IR of kernels that are written as Numba functions, before anything is optimised for this machine or another."""

from __future__ import annotations

import re
from typing import Any

from numba.core import compiler, sigutils
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUTargetOptions
from numba.core.registry import cpu_target

from netlang.backends.cpu.kernel import Kernel, Native
from netlang.backends.cpu.target import Target

# Numba's own annotations cover too little of it to check against.
_compiler: Any = compiler
_signatures: Any = sigutils
_options: Any = CPUTargetOptions

_NOT_INLINED = re.compile(r"^(attributes #\d+ = \{.*)\bnoinline\b", re.MULTILINE)


class _Library(JITCodeLibrary):
    """Collects modules and leaves them as they are; what they call is linked in, and nothing is loaded."""

    triple = ""

    def create_ir_module(self, name: str) -> Any:
        """An empty module, from whose triple intrinsics see which machine they are for."""
        module: Any = super().create_ir_module(name)  # type: ignore[no-untyped-call]
        module.triple = self.triple
        return module

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def whole(self) -> str:
        """The IR of all that was collected. The call in the C entry point may be inlined: there a function that cannot
        fail loses the code that would report its failure."""
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        return _NOT_INLINED.sub(r"\1alwaysinline", str(self._final_module))


def lowered(kernel: Kernel, source: Native, name: str, target: Target) -> tuple[str, str]:
    """(IR, symbol of the C entry point) of a kernel made by `source`; functions inside are called after `name`."""
    function = source.build()
    function.__name__ = function.__qualname__ = name
    arguments, result = _signatures.normalize_signature(kernel.signature)
    flags = _compiler.Flags()
    options = {"error_model": "numpy", "boundscheck": False, "nopython": True, "forceinline": True}
    _options.parse_as_flags(flags, {**options, "fastmath": set(kernel.fastmath) or False})
    flags.no_cpython_wrapper, flags.no_cfunc_wrapper, flags.no_compile = True, False, True
    flags.enable_pyobject = False
    typing, context = cpu_target.typing_context, cpu_target.target_context
    with global_compiler_lock:
        library: Any = _Library(context.codegen(), name)  # type: ignore[no-untyped-call]
        library.triple = target.triple
        made = _compiler.compile_extra(typing, context, function, arguments, result, flags, {}, library=library)
        return library.whole(), made.fndesc.llvm_cfunc_wrapper_name
