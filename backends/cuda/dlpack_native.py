"""The two functions of a DLPack capsule as machine code: they may be called at any time, such as while an exception is
on its way, when no Python may run, and by threads that Python does not know. Each sets a mark that is looked for later.

    void deleter(managed)       { *managed->manager = 1; }
    void destructor(capsule)    { if (PyCapsule_IsValid(capsule, "dltensor"))
                                      deleter(PyCapsule_GetPointer(capsule, "dltensor")); }
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from llvmlite import binding, ir

_BYTE, _INT, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_POINTER = _BYTE.as_pointer()
_name = ctypes.create_string_buffer(b"dltensor")


@cache
def functions(manager_offset: int) -> tuple[int, int]:
    """Addresses of (deleter, destructor); `manager_offset` is where a DLManagedTensor has the address of its mark."""
    module = ir.Module("dlpack")
    deleter = _deleter(module, manager_offset)
    _destructor(module, deleter)
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    parsed = binding.parse_assembly(str(module))
    engine = binding.create_mcjit_compiler(parsed, binding.Target.from_default_triple().create_target_machine())
    engine.finalize_object()
    _kept.append(engine)
    return engine.get_function_address("deleter"), engine.get_function_address("destructor")


_kept: list[Any] = []
"""Engines, which hold the code."""


def _deleter(module: ir.Module, manager_offset: int) -> Any:
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_POINTER]), "deleter")
    builder = ir.IRBuilder(function.append_basic_block())
    place = builder.gep(function.args[0], [_WORD(manager_offset)])
    mark = builder.load(builder.bitcast(place, _WORD.as_pointer().as_pointer()))
    builder.store(_WORD(1), mark)
    builder.ret_void()
    return function


def _destructor(module: ir.Module, deleter: Any) -> None:
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_POINTER]), "destructor")
    builder = ir.IRBuilder(function.append_basic_block())
    arguments = (function.args[0], builder.inttoptr(_WORD(ctypes.addressof(_name)), _POINTER))
    is_unused = builder.call(_python(builder, "PyCapsule_IsValid", _INT), arguments)
    with builder.if_then(builder.icmp_unsigned("!=", is_unused, _INT(0))):
        builder.call(deleter, [builder.call(_python(builder, "PyCapsule_GetPointer", _POINTER), arguments)])
    builder.ret_void()


def _python(builder: Any, name: str, result: Any) -> Any:
    """A function of Python's own of (capsule, name)."""
    address = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    return builder.inttoptr(_WORD(address), ir.FunctionType(result, [_POINTER, _POINTER]).as_pointer())
