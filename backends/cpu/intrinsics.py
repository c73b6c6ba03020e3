"""What Numba functions need to reach raw memory, other threads and the operating system. Needs Numba.

Addresses are int64. `LOAD[dtype](address, index)` reads element `index` and widens halves to float32;
`STORE[dtype](address, index, value)` rounds back. All are intrinsics: they become one or a few LLVM instructions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from llvmlite import ir
from numba import extending, types

from netlang.backends.common.element import INTEGERS, UNSIGNED, bounds
from netlang.backends.cpu import halves
from netlang.backends.cpu.control import FUTEX_NUMBER
from netlang.backends.cpu.target import ARM, X86

I8, I16, I32, I64 = (ir.IntType(n) for n in (8, 16, 32, 64))
F16, F32, F64 = ir.HalfType(), ir.FloatType(), ir.DoubleType()

_YIELD = I32(1)
"""The hint to a 64-bit Arm processor that this is a spin loop."""


def _architecture(builder: Any) -> str:
    """Of the machine that the code is for."""
    return str(builder.module.triple).partition("-")[0].lower()


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's decorator; what it makes is called without the typing context, so its type is left open."""
    made: Callable[..., Any] = extending.intrinsic(function)
    return made


_MEMORY: Mapping[str, Any] = {
    "bool": I8, "u8": I8, "i8": I8, "u16": I16, "i16": I16, "u32": I32, "i32": I32, "u64": I64, "i64": I64,
    "f16": F16, "bf16": I16, "f32": F32, "f64": F64,
}  # fmt: skip
"""LLVM's type of an element in memory."""

_NUMBA: Mapping[str, Any] = {
    "bool": types.boolean,
    "u8": types.uint8,
    "i8": types.int8,
    "u16": types.uint16,
    "i16": types.int16,
    "u32": types.uint32,
    "i32": types.int32,
    "u64": types.uint64,
    "i64": types.int64,
    "f16": types.float32,
    "bf16": types.float32,
    "f32": types.float32,
    "f64": types.float64,
}
"""Numba's type of a loaded element."""


def _element(builder: Any, kind: Any, address: Any, index: Any) -> Any:
    return builder.gep(builder.inttoptr(address, kind.as_pointer()), [index])


def _widened(builder: Any, value: Any, dtype: str) -> Any:
    if dtype == "f16":
        return builder.fpext(value, F32)
    if dtype == "bf16":
        return halves.widen(builder, value)
    return builder.trunc(value, ir.IntType(1)) if dtype == "bool" else value


def _narrowed(builder: Any, value: Any, dtype: str) -> Any:
    if dtype == "f16":
        return builder.fptrunc(value, F16)
    if dtype == "bf16":
        return halves.narrow(builder, value)
    return builder.zext(value, I8) if dtype == "bool" else value


def _loader(dtype: str) -> Any:
    kind, loaded = _MEMORY[dtype], _NUMBA[dtype]

    @intrinsic
    def load(typing_context: Any, address: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            pointer = _element(builder, kind, *values)
            return _widened(builder, builder.load(pointer), dtype)

        return loaded(types.int64, types.int64), codegen

    return load


def _storer(dtype: str) -> Any:
    kind, stored = _MEMORY[dtype], _NUMBA[dtype]

    @intrinsic
    def store(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            pointer = _element(builder, kind, values[0], values[1])
            builder.store(_narrowed(builder, values[2], dtype), pointer)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, stored), codegen

    return store


def _index_loader(dtype: str) -> Any:
    """Reads an index as int64, of which the largest stands for all that are larger."""
    kind = _MEMORY[dtype]

    @intrinsic
    def load(typing_context: Any, address: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            value = builder.load(_element(builder, kind, *values))
            if dtype not in UNSIGNED:
                return builder.sext(value, I64) if kind.width < I64.width else value
            if kind.width < I64.width:
                return builder.zext(value, I64)
            return builder.select(builder.icmp_signed("<", value, I64(0)), I64(2**63 - 1), value)

        return types.int64(types.int64, types.int64), codegen

    return load


LOAD: Mapping[str, Any] = {dtype: _loader(dtype) for dtype in _MEMORY}
STORE: Mapping[str, Any] = {dtype: _storer(dtype) for dtype in _MEMORY}
ZERO: Mapping[str, Any] = {dtype: kind(0) for dtype, kind in _NUMBA.items()}
"""Zero as the loaded type, to start accumulators with."""
LEAST: Mapping[str, Any] = {
    dtype: kind(bounds(dtype)[0] if dtype in INTEGERS else False if dtype == "bool" else float("-inf"))
    for dtype, kind in _NUMBA.items()
}
"""The smallest number as the loaded type, to start maxima with."""
INDEX: Mapping[str, Any] = {dtype: _index_loader(dtype) for dtype in sorted(INTEGERS)}
"""`INDEX[dtype](address, index)` reads an element of an integer type as int64."""
number = LOAD["i64"]
"""`number(args, i)`: entry i of an argument table."""


def _division(name: str) -> Any:
    @intrinsic
    def divide(typing_context: Any, numerator: Any, denominator: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return getattr(builder, name)(*values)

        return types.int64(types.int64, types.int64), codegen

    return divide


quotient, remainder = _division("udiv"), _division("urem")
"""Of numbers that are not negative, by a positive one; Python's own operators would test for zero and signs."""


def _function(module: Any, kind: Any, name: str) -> Any:
    """The declaration of a C function."""
    return module.globals.get(name) or ir.Function(module, kind, name)


# ---- other threads

_ORDER = "seq_cst"


def _counter(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, I64.as_pointer())


@intrinsic
def atomic_add(typing_context: Any, address: Any, value: Any) -> Any:
    """Adds to the int64 at `address` and returns the new value; sequentially consistent."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        old = builder.atomic_rmw("add", _counter(builder, values[0]), values[1], _ORDER)
        return builder.add(old, values[1])

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def atomic_load(typing_context: Any, address: Any) -> Any:
    """The int64 at `address`; sequentially consistent."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(_counter(builder, values[0]), _ORDER, 8)

    return types.int64(types.int64), codegen


@intrinsic
def atomic_store(typing_context: Any, address: Any, value: Any) -> Any:
    """Writes the int64 at `address`; sequentially consistent."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store_atomic(values[1], _counter(builder, values[0]), _ORDER, 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def pause(typing_context: Any) -> Any:
    """Tell the processor that this is a spin loop."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        nothing = ir.VoidType()
        if _architecture(builder) in X86:
            builder.call(_function(builder.module, ir.FunctionType(nothing, []), "llvm.x86.sse2.pause"), [])
        elif _architecture(builder) in ARM:
            kind = ir.FunctionType(nothing, [I32])
            builder.call(_function(builder.module, kind, "llvm.aarch64.hint"), [_YIELD])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def futex(typing_context: Any, address: Any, operation: Any, value: Any) -> Any:
    """Linux's `futex(2)` without timeout, on the low half of the int64 at `address`."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(I64, [I64], var_arg=True)
        syscall = _function(builder.module, kind, "syscall")
        number = I64(FUTEX_NUMBER[_architecture(builder)])
        return builder.call(syscall, [number, *values, I64(0), I64(0), I64(0)])

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def read_clock(typing_context: Any, address: Any) -> Any:
    """Have the operating system write the time, a `timespec` of a clock that never goes back, to `address`."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(I32, [I32, I64])
        builder.call(_function(builder.module, kind, "clock_gettime"), [I32(time.CLOCK_MONOTONIC), values[0]])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def give_way(typing_context: Any) -> Any:
    """Let the scheduler run someone else."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        name = "SwitchToThread" if "windows" in builder.module.triple else "sched_yield"
        function = _function(builder.module, ir.FunctionType(I32, []), name)
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def call_kernel(typing_context: Any, kernel: Any, args: Any, tid: Any, threads: Any) -> Any:
    """Call the machine code at address `kernel`."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [I64, I64, I64])
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), codegen
