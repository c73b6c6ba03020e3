"""Copying a whole buffer, of any type, or nothing where only sizes can tell whether it is needed."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from netlang.backends.common.steps import Number, Place, Step, bases, evaluated
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.tiles.numbers import Frame

_TO, _FROM, _BYTES = range(3)


def copy_bytes(source: Place, target: Place, bytes: Number) -> Step:
    """The step that copies so many bytes; the two do not overlap."""
    kernel = emitted("copy_bytes", _emit)
    return Step(kernel, (target, source, bytes), tuple(bases(target)), lambda sizes: evaluated(bytes, sizes) // 4)


def _emit(builder: Any, args: Any, tid: Any, threads: Any) -> None:
    f = Frame(builder, args, tid, threads)
    first, last = f.share(f[_BYTES])
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer, pointer, ir.IntType(64), ir.IntType(1)])
    name = "llvm.memcpy.p0.p0.i64"
    copy = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    to, origin = (builder.inttoptr((f[entry] + first).value, pointer) for entry in (_TO, _FROM))
    builder.call(copy, [to, origin, (last - first).value, ir.IntType(1)(0)])
