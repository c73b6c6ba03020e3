"""LLVM IR for loops over vectors of mixed element types: constants, memory, control. Needs llvmlite, not Numba.

Addresses are i64 values. An element type is a `DType` name (`f32`, `bool`, ...) or `raw1` .. `raw8`: bytes that are
only moved. In registers halves are float32 and bools are i1; everything is a vector of `lanes` elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from netlang.backends.common.element import BYTES
from netlang.backends.cpu import halves

VOID = ir.VoidType()
I1, I8, I16, I32, I64 = (ir.IntType(n) for n in (1, 8, 16, 32, 64))
F16, F32, F64 = ir.HalfType(), ir.FloatType(), ir.DoubleType()

MEMORY = {
    "bool": I8, "u8": I8, "i8": I8, "u16": I16, "i16": I16, "u32": I32, "i32": I32, "u64": I64, "i64": I64,
    "f16": F16, "bf16": I16, "f32": F32, "f64": F64,
    "raw1": I8, "raw2": I16, "raw4": I32, "raw8": I64,
}  # fmt: skip
"""What an element is in memory."""

REGISTER = {**MEMORY, "bool": I1, "f16": F32, "bf16": F32}
"""What an element is in a register."""

_CODES = {I1: "i1", I8: "i8", I16: "i16", I32: "i32", I64: "i64", F16: "f16", F32: "f32", F64: "f64"}

Body = Callable[[Any, list[Any]], Sequence[Any]]
"""(index, carried values) -> carried values of the next iteration."""


class Emitter:
    """Writes into one open `ir.IRBuilder`."""

    def __init__(self, builder: Any, lanes: int) -> None:
        self.b = builder
        self.lanes = lanes

    # ---- types and constants

    def vector(self, element: Any) -> Any:
        return ir.VectorType(element, self.lanes)

    def code(self, kind: Any) -> str:
        """How LLVM's intrinsics name a type: `v16f32`."""
        return f"v{kind.count}{_CODES[kind.element]}" if isinstance(kind, ir.VectorType) else _CODES[kind]

    def constant(self, element: Any, value: float | int | bool) -> Any:
        """A number in all lanes."""
        rounded: float | int = float(np.float32(value)) if element == F32 else value
        if element in (F32, F64):
            return ir.Constant(self.vector(element), [float(rounded)] * self.lanes)
        low = int(rounded) & (1 << element.width) - 1
        signed = low - (1 << element.width) if element != I1 and low >> element.width - 1 else low
        return ir.Constant(self.vector(element), [signed] * self.lanes)

    def like(self, value: Any, number: float | int) -> Any:
        """A number in the type of a vector."""
        return self.constant(value.type.element, number)

    def ramp(self, element: Any = I64) -> Any:
        """0, 1, 2, ... in the lanes."""
        return ir.Constant(self.vector(element), list(range(self.lanes)))

    def splat(self, scalar: Any) -> Any:
        kind = self.vector(scalar.type)
        first = self.b.insert_element(ir.Constant(kind, ir.Undefined), scalar, I32(0))
        zeros = ir.Constant(self.vector(I32), [0] * self.lanes)
        return self.b.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)

    # ---- functions

    def call(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """Call a function by its name, declaring it: llvmlite's `declare_intrinsic` takes no vector types."""
        found = self.b.module.globals.get(name)
        kind = ir.FunctionType(result, [a.type for a in arguments])
        return self.b.call(found or ir.Function(self.b.module, kind, name), list(arguments))

    def intrinsic(self, name: str, *arguments: Any) -> Any:
        """An intrinsic whose result and arguments have one type: `fma`, `sqrt`, `floor`, `fabs`."""
        kind = arguments[0].type
        return self.call(f"llvm.{name}.{self.code(kind)}", kind, arguments)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """x * y + z; rounded once where the machine can do that fast."""
        return self.intrinsic("fmuladd", x, y, z)

    def per_lane(self, name: str, *arguments: Any) -> Any:
        """A function of the C library, lane by lane."""
        element = arguments[0].type.element
        out = ir.Constant(arguments[0].type, ir.Undefined)
        for lane in range(self.lanes):
            result = self.call(name, element, [self.b.extract_element(a, I32(lane)) for a in arguments])
            out = self.b.insert_element(out, result, I32(lane))
        return out

    # ---- memory

    def pointer(self, address: Any, kind: Any) -> Any:
        return self.b.inttoptr(address, kind.as_pointer())

    def number(self, args: Any, index: int) -> Any:
        """Entry `index` of an int64 table."""
        return self.b.load(self.b.gep(self.pointer(args, I64), [I64(index)]))

    def scalar(self, dtype: str, address: Any) -> Any:
        """One element, in all lanes."""
        loaded = self.b.load(self.pointer(address, MEMORY[dtype]), align=BYTES[dtype])
        return self.widened(dtype, self.splat(loaded))

    def load(self, dtype: str, address: Any, mask: Any = None) -> Any:
        """Consecutive elements; where the mask is off, zero, and memory is not touched."""
        kind = self.vector(MEMORY[dtype])
        pointer = self.pointer(address, kind)
        if mask is None:
            return self.widened(dtype, self.b.load(pointer, align=BYTES[dtype]))
        name = f"llvm.masked.load.{self.code(kind)}.p0"
        zero = self.constant(kind.element, 0) if kind.element != F16 else ir.Constant(kind, None)
        return self.widened(dtype, self.call(name, kind, [pointer, I32(BYTES[dtype]), mask, zero]))

    def store(self, dtype: str, value: Any, address: Any, mask: Any = None) -> None:
        """Consecutive elements; where the mask is off, memory is not touched."""
        stored = self.narrowed(dtype, value)
        pointer = self.pointer(address, stored.type)
        if mask is None:
            self.b.store(stored, pointer, align=BYTES[dtype])
            return
        self.call(f"llvm.masked.store.{self.code(stored.type)}.p0", VOID, [stored, pointer, I32(BYTES[dtype]), mask])

    def store_first(self, dtype: str, value: Any, address: Any) -> None:
        """The first lane as one element."""
        stored = self.b.extract_element(self.narrowed(dtype, value), I32(0))
        self.b.store(stored, self.pointer(address, MEMORY[dtype]), align=BYTES[dtype])

    def _places(self, dtype: str, address: Any, stride: Any) -> Any:
        """Pointers to `lanes` elements that are `stride` bytes apart."""
        places = self.b.add(self.splat(address), self.b.mul(self.ramp(), self.splat(stride)))
        return self.b.inttoptr(places, self.vector(MEMORY[dtype].as_pointer()))

    def _all(self, mask: Any) -> Any:
        return self.constant(I1, 1) if mask is None else mask

    def gather(self, dtype: str, address: Any, stride: Any, mask: Any = None) -> Any:
        """Elements `stride` bytes apart."""
        kind = self.vector(MEMORY[dtype])
        arguments = [
            self._places(dtype, address, stride),
            I32(BYTES[dtype]),
            self._all(mask),
            ir.Constant(kind, None),
        ]
        name = f"llvm.masked.gather.{self.code(kind)}.v{self.lanes}p0"
        return self.widened(dtype, self.call(name, kind, arguments))

    def scatter(self, dtype: str, value: Any, address: Any, stride: Any, mask: Any = None) -> None:
        """Store elements `stride` bytes apart."""
        stored = self.narrowed(dtype, value)
        arguments = [stored, self._places(dtype, address, stride), I32(BYTES[dtype]), self._all(mask)]
        self.call(f"llvm.masked.scatter.{self.code(stored.type)}.v{self.lanes}p0", VOID, arguments)

    def widened(self, dtype: str, value: Any) -> Any:
        """From memory's type to the register's."""
        if dtype == "f16":
            return self.b.fpext(value, self.vector(F32))
        if dtype == "bf16":
            return halves.widen(self.b, value)
        return self.b.icmp_signed("!=", value, self.constant(I8, 0)) if dtype == "bool" else value

    def narrowed(self, dtype: str, value: Any) -> Any:
        """From the register's type to memory's."""
        if dtype == "f16":
            return self.b.fptrunc(value, self.vector(F16))
        if dtype == "bf16":
            return halves.narrow(self.b, value)
        return self.b.zext(value, self.vector(I8)) if dtype == "bool" else value

    # ---- control

    def loop(self, start: Any, stop: Any, step: int, carried: Sequence[Any], body: Body) -> list[Any]:
        """while index + step <= stop: carried = body(index, carried); index += step. Returns (*carried, index)."""
        b = self.b
        before = b.block
        head, inside, after = (b.append_basic_block(n) for n in ("head", "body", "after"))
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        held = [b.phi(c.type) for c in carried]
        following = b.add(index, I64(step))
        b.cbranch(b.icmp_signed("<=", following, stop), inside, after)
        b.position_at_end(inside)
        out = list(body(index, list(held)))
        tail = b.block
        b.branch(head)
        for phi, first, again in ((index, start, following), *zip(held, carried, out, strict=True)):
            phi.add_incoming(first, before)
            phi.add_incoming(again, tail)
        b.position_at_end(after)
        return [*held, index]

    def smaller(self, x: Any, y: Any) -> Any:
        """The smaller of two i64."""
        return self.b.select(self.b.icmp_signed("<", x, y), x, y)

    def first_lanes(self, count: Any) -> Any:
        """The mask of the lanes below `count`, an i64."""
        small = self.b.trunc(self.smaller(count, I64(self.lanes)), I32)
        return self.b.icmp_signed("<", self.ramp(I32), self.splat(small))

    def across(self, value: Any, combine: Callable[[Any, Any], Any]) -> Any:
        """All lanes combined in a fixed order (a tree), the result in all lanes."""
        width = self.lanes
        while width > 1:
            width //= 2
            order = [(i + width) % self.lanes for i in range(self.lanes)]
            turned = self.b.shuffle_vector(value, value, ir.Constant(self.vector(I32), order))
            value = combine(value, turned)
        zeros = ir.Constant(self.vector(I32), [0] * self.lanes)
        return self.b.shuffle_vector(value, value, zeros)
