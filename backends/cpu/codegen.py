"""From LLVM IR to object code, through llvmlite alone: kernels that are all IR have nothing for Numba to infer.

Numba's own way takes twice as long: it infers types and optimises twice, each function and then all of them. LLVM's
-O3 would also copy whole loops for the sake of conditions inside them, which makes some kernels twice as large, with
three times the spills, and none faster: -O2 it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from netlang.backends.cpu.target import initialize

_SPEED_LEVEL = 2
_I64 = ir.IntType(64)


def optimized(emit: Callable[..., None], symbol: str) -> Any:
    """The optimised LLVM module whose one function `symbol` is a kernel's machine code, `void(i64, i64, i64)`."""
    text = ir.Module(symbol)
    text.triple = llvm.get_process_triple()
    text.data_layout = str(machine().target_data)
    function = ir.Function(text, ir.FunctionType(ir.VoidType(), [_I64] * 3), symbol)
    function.attributes.add("nounwind")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    emit(builder, *function.args)
    builder.ret_void()
    module = llvm.parse_assembly(str(text))
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=_SPEED_LEVEL)
    options.loop_vectorization = True
    passes = llvm.create_pass_builder(machine(), options)
    passes.getModulePassManager().run(module, passes)
    return module


@cache
def machine() -> Any:
    """LLVM's generator of code for this machine, with Numba's options: the linker takes the objects of both."""
    initialize()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    relocation = "static" if target.name.startswith("x86") else "default"
    features = llvm.get_host_cpu_features().flatten()
    cpu = llvm.get_host_cpu_name()
    return target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc=relocation, codemodel="jitdefault", jit=True
    )
