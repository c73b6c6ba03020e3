"""From LLVM IR to object code of a target, through llvmlite alone: kernels that are all IR have nothing to infer.

Numba's own way takes twice as long: it infers types and optimises twice, each function and then all of them. LLVM's
-O3 would also copy whole loops for the sake of conditions inside them, which makes some kernels twice as large, with
three times the spills, and none faster: -O2 it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from netlang.backends.cpu.target import Target, host, initialize

_SPEED_LEVEL = 2
_I64 = ir.IntType(64)
_MACHINE = re.compile(r"^target (triple|datalayout) = .*\n", re.MULTILINE)


def text_of(emit: Callable[..., None], symbol: str) -> str:
    """The IR of a kernel: a module with the one function `symbol`, `void(i64, i64, i64)`, whose body `emit` writes."""
    module = ir.Module(symbol)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_I64] * 3), symbol)
    function.attributes.add("nounwind")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    emit(builder, *function.args)
    builder.ret_void()
    return str(module)


def optimized(text: str, target: Target) -> Any:
    """The LLVM module of some IR, whatever machine that names, optimised for `target`."""
    generator = machine(target)
    head = f'target triple = "{target.triple}"\ntarget datalayout = "{generator.target_data}"\n'
    module = llvm.parse_assembly(head + _MACHINE.sub("", text))
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=_SPEED_LEVEL)
    options.loop_vectorization = True
    passes = llvm.create_pass_builder(generator, options)
    passes.getModulePassManager().run(module, passes)
    return module


@cache
def machine(target: Target) -> Any:
    """LLVM's generator of code, of which places are relative to each other: it is put anywhere in memory."""
    initialize()
    if target != host():
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    found = llvm.Target.from_triple(target.triple)
    return found.create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="default"
    )
