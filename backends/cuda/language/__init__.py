"""The language of kernels, as LLVM IR for NVVM.

A kernel's text is a function in Numba's CUDA language, of which it uses little: numbers and tuples of them, sums,
comparisons, variables, `if`, `while`, `for` over a range, and calls of words. This package translates that and nothing
else, by the rules of Numba, in about a thirtieth of the time that Numba takes for a large text; tests hold the machine
code to what Numba itself makes.

    values -> arithmetic -> expressions -> statements -> here, the module around them
"""

from __future__ import annotations

import ast
from importlib import import_module
from typing import Any

from llvmlite import ir

from netlang.backends.cuda.architecture import capability
from netlang.backends.cuda.intrinsics.emission import TYPES, VOID
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.language.statements import Statements
from netlang.backends.cuda.language.values import Typed

_KINDS = {"p": "u64", "i": "i32", "l": "i64"}
"""What arguments of a kernel are."""
_TRIPLE = "nvptx64-nvidia-cuda"


def llvm_module(kernel: Kernel, text: str, architecture: str, entry: str) -> Any:
    """The llvmlite module of a kernel whose source is `text`, with `entry` as its entry point.

    Raises SyntaxError, TypeError or NameError for a text that is not in the language.
    """
    # By name: a type checker would look at Numba's own package, which numba-cuda takes the place of.
    nvvm: Any = import_module("numba.cuda.cudadrv.nvvm")
    (function,) = ast.parse(text).body
    if not isinstance(function, ast.FunctionDef):
        raise TypeError("a kernel is one function")
    kinds = [_KINDS[letter] for letter in kernel.arguments]
    module = ir.Module(kernel.key)
    module.triple, module.data_layout = _TRIPLE, nvvm.NVVM().data_layout
    made = ir.Function(module, ir.FunctionType(VOID, [TYPES[kind] for kind in kinds]), entry)
    names = [argument.arg for argument in function.args.args]
    builder = ir.IRBuilder(made.append_basic_block("entry"))
    given = [(n, Typed(k, v)) for n, k, v in zip(names, kinds, made.args, strict=True)]
    body = Statements(builder, architecture, given)
    body.block(function.body)
    if not builder.block.is_terminated:
        builder.ret_void()
    nvvm.set_cuda_kernel(made)
    nvvm.set_launch_bounds(made, (kernel.threads, *([kernel.blocks_per_sm] if kernel.blocks_per_sm else [])))
    nvvm.add_ir_version(module)
    return module


def ptx_of(module: Any, architecture: str) -> str:
    """What NVVM makes of a module. Products and sums that follow become one FMA; nothing else is less than IEEE 754."""
    nvvm: Any = import_module("numba.cuda.cudadrv.nvvm")
    major, minor = capability(architecture)
    suffix = "a" if architecture.endswith("a") else ""
    found: bytes = nvvm.compile_ir(str(module), opt=3, arch=f"compute_{major}{minor}{suffix}")
    return found.decode("utf-8").strip("\0").strip()
