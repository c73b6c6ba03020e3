"""Short names for the LLVM IR that register tiles need: vector loads and stores, broadcasts, FMAs, loops of phis.

Addresses are byte pointers plus byte offsets, known when the code is generated (int) or at run time (ir.Value).
A loop keeps its pointers and accumulators as phis: arrays of accumulators would end up in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

VOID = ir.VoidType()
I1, I8, I16, I32, I64, F32 = *(ir.IntType(bits) for bits in (1, 8, 16, 32, 64)), ir.FloatType()
POINTER = I8.as_pointer()
FLOAT_BYTES = 4
CACHE_LINE = 64
"""Bytes."""
BF16_BYTES = 2

Offset = int | Any
"""Bytes: a Python int or an i64 `ir.Value`."""
Body = Callable[[list[Any], list[Any]], "Sequence[Any] | None"]


class Emitter:
    """Writes into one open `ir.IRBuilder`, for float32 vectors of `lanes` elements."""

    def __init__(self, builder: Any, lanes: int) -> None:
        self.b = builder
        self.lanes = lanes
        self.vector = ir.VectorType(F32, lanes)
        self.vector_i32 = ir.VectorType(I32, lanes)
        self.vector_i1 = ir.VectorType(I1, lanes)
        self.line = lanes * FLOAT_BYTES
        # A broadcast is a memory operand of an FMA on AVX-512 alone. Elsewhere it takes an instruction and a register,
        # and LLVM would begin those of the next channel early, as many as it finds, and spill sums.
        self.broadcasts_take_registers = self.line < 64
        self.undefined = ir.Constant(self.vector, ir.Undefined)
        self.zero = self.constant(0.0)

    # Constants and integers

    def constant(self, value: float) -> Any:
        """`value`, rounded to float32, in all lanes."""
        return ir.Constant(self.vector, [float(np.float32(value))] * self.lanes)

    def constant_i32(self, value: int) -> Any:
        return ir.Constant(self.vector_i32, [value] * self.lanes)

    def i64(self, value: Offset) -> Any:
        return I64(value) if isinstance(value, int) else value

    def mul(self, a: Offset, b: Offset) -> Offset:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if isinstance(a, int) and a in (0, 1):
            return b if a else 0
        if isinstance(b, int) and b in (0, 1):
            return a if b else 0
        return self.b.mul(self.i64(a), self.i64(b))

    def add(self, a: Offset, b: Offset) -> Offset:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if isinstance(a, int) and a == 0:
            return b
        return a if isinstance(b, int) and b == 0 else self.b.add(self.i64(a), self.i64(b))

    # Memory

    def pointers(self, *addresses: Any) -> list[Any]:
        """Byte pointers of i64 addresses."""
        return [self.b.inttoptr(a, POINTER) for a in addresses]

    def at(self, base: Any, offset: Offset) -> Any:
        if isinstance(offset, int) and offset == 0:
            return base
        return self.b.gep(base, [self.i64(offset)])

    def _typed(self, base: Any, offset: Offset, kind: Any) -> Any:
        return self.b.bitcast(self.at(base, offset), kind.as_pointer())

    def load(self, base: Any, offset: Offset = 0, align: int = FLOAT_BYTES, kind: Any = None) -> Any:
        """One vector; the default alignment is that of an element."""
        return self.b.load(self._typed(base, offset, kind or self.vector), align=align)

    def store(self, value: Any, base: Any, offset: Offset = 0, align: int = FLOAT_BYTES) -> None:
        self.b.store(value, self._typed(base, offset, value.type), align=align)

    def load_bf16(self, base: Any, offset: Offset = 0) -> Any:
        """One vector of bfloat16 numbers, as float32: the upper halves of their bits."""
        halves = self.load(base, offset, BF16_BYTES, self.vector_of(I16))
        wide = self.b.shl(self.b.zext(halves, self.vector_i32), self.constant_i32(16))
        return self.b.bitcast(wide, self.vector)

    def store_bf16(self, value: Any, base: Any, offset: Offset = 0) -> None:
        """A vector rounded to the nearest bfloat16 numbers, to even between two; a NaN stays one."""
        b = self.b
        bits = b.bitcast(value, self.vector_i32)
        upper = b.lshr(bits, self.constant_i32(16))
        odd = b.and_(upper, self.constant_i32(1))
        rounded = b.lshr(b.add(bits, b.add(odd, self.constant_i32(0x7FFF))), self.constant_i32(16))
        quiet = b.or_(upper, self.constant_i32(0x40))
        found = b.select(b.fcmp_unordered("uno", value, value), quiet, rounded)
        self.store(b.trunc(found, self.vector_of(I16)), base, offset, BF16_BYTES)

    def scalar(self, base: Any, offset: Offset = 0) -> Any:
        return self.b.load(self._typed(base, offset, F32), align=FLOAT_BYTES)

    def splat(self, scalar: Any) -> Any:
        kind = ir.VectorType(scalar.type, self.lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.b.insert_element(undefined, scalar, I32(0))
        return self.b.shuffle_vector(first, undefined, ir.Constant(self.vector_i32, [0] * self.lanes))

    def broadcast(self, base: Any, offset: Offset = 0) -> Any:
        """One float32 in all lanes; used once, it folds into the FMA as a memory operand on AVX-512."""
        return self.splat(self.scalar(base, offset))

    def prefix_mask(self, count: Any) -> Any:
        """The lanes below `count` (an i64, may be negative or above the lanes)."""
        ramp = ir.Constant(self.vector_i32, list(range(self.lanes)))
        small = self.b.select(self.b.icmp_signed("<", count, I64(self.lanes)), count, I64(self.lanes))
        return self.b.icmp_signed("<", ramp, self.splat(self.b.trunc(small, I32)))

    def vector_of(self, element: Any) -> Any:
        return ir.VectorType(element, self.lanes)

    def load_masked(self, mask: Any, base: Any, offset: Offset = 0, element: Any = F32) -> Any:
        """The lanes of `mask`; the others are zero and their memory is not touched."""
        kind = self.vector_of(element)
        pointer = self._typed(base, offset, kind)
        code, align = _masked_code(element)
        nothing = ir.Constant(kind, [0 if element != F32 else 0.0] * self.lanes)
        call = self.function(
            f"llvm.masked.load.v{self.lanes}{code}.p0", kind, [pointer.type, I32, self.vector_i1, kind]
        )
        return self.b.call(call, [pointer, I32(align), mask, nothing])

    def store_masked(self, value: Any, mask: Any, base: Any, offset: Offset = 0) -> None:
        """Store the lanes of `mask`; the memory of the others is not touched."""
        pointer = self._typed(base, offset, value.type)
        code, align = _masked_code(value.type.element)
        name = f"llvm.masked.store.v{self.lanes}{code}.p0"
        kinds = [value.type, pointer.type, I32, self.vector_i1]
        self.b.call(self.function(name, VOID, kinds), [value, pointer, I32(align), mask])

    def gather(self, address: Any, step: Any, mask: Any) -> Any:
        """Floats `step` bytes apart from an address, all i64; lanes outside the mask are zero."""
        pointers = self._apart(address, step)
        name = f"llvm.masked.gather.v{self.lanes}f32.v{self.lanes}p0"
        call = self.function(name, self.vector, [pointers.type, I32, self.vector_i1, self.vector])
        return self.b.call(call, [pointers, I32(FLOAT_BYTES), mask, self.zero])

    def scatter(self, value: Any, address: Any, step: Any, mask: Any) -> None:
        """Store the lanes of `mask` as floats `step` bytes apart."""
        pointers = self._apart(address, step)
        name = f"llvm.masked.scatter.v{self.lanes}f32.v{self.lanes}p0"
        call = self.function(name, VOID, [self.vector, pointers.type, I32, self.vector_i1])
        self.b.call(call, [value, pointers, I32(FLOAT_BYTES), mask])

    def _apart(self, address: Any, step: Any) -> Any:
        """Pointers to one float per lane."""
        ramp = ir.Constant(ir.VectorType(I64, self.lanes), list(range(self.lanes)))
        places = self.b.add(self.splat(address), self.b.mul(ramp, self.splat(step)))
        return self.b.inttoptr(places, ir.VectorType(F32.as_pointer(), self.lanes))

    # Arithmetic

    def function(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """A declaration by name: llvmlite's `declare_intrinsic` does not take vector types."""
        found = self.b.module.globals.get(name)
        return found or ir.Function(self.b.module, ir.FunctionType(result, list(arguments)), name)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """x * y + z, fused where the target can."""
        name = f"llvm.fmuladd.v{self.lanes}f32"
        return self.b.call(self.function(name, self.vector, [self.vector] * 3), [x, y, z])

    def unary(self, name: str, x: Any) -> Any:
        """An LLVM intrinsic of one vector, such as `fabs`, `sqrt`, `floor`."""
        return self.b.call(self.function(f"llvm.{name}.v{self.lanes}f32", self.vector, [self.vector]), [x])

    def maximum(self, x: Any, y: Any) -> Any:
        """The larger of each pair; NaN in `x` stays NaN (`maxnum` would drop it), which takes one instruction."""
        return self.b.select(self.b.fcmp_ordered(">", y, x), y, x)

    def greater_or_nan(self, x: Any, y: Any) -> Any:
        """x > y, or x is NaN and y is not: the test by which a maximum keeps the first of its candidates."""
        nan_first = self.b.and_(self.b.fcmp_unordered("uno", x, x), self.b.fcmp_ordered("ord", y, y))
        return self.b.or_(self.b.fcmp_ordered(">", x, y), nan_first)

    # Order and control

    def prefetch(self, base: Any, offset: Offset = 0, write: bool = False) -> None:
        """Ask for the cache line there, to write to it perhaps. Nothing happens where there is no memory."""
        pointer = self.at(base, offset)
        call = self.function("llvm.prefetch.p0", VOID, [POINTER, I32, I32, I32])
        self.b.call(call, [pointer, I32(int(write)), I32(3), I32(1)])

    def fence(self) -> None:
        """No instruction. The compiler may not move memory accesses across it, so it cannot hoist loads and spill."""
        kind = ir.FunctionType(VOID, [])
        self.b.call(ir.InlineAsm(kind, "", "~{memory}", side_effect=True), [])

    def loop(
        self,
        count: Offset,
        pointers: Sequence[Any],
        strides: Sequence[Offset],
        sums: Sequence[Any],
        body: Body,
        guarded: bool = False,
    ) -> list[Any]:
        """`count` times: sums = body(pointers, sums); pointers += strides. Returns the last sums.

        A do-while loop: a count of 0 runs once all the same, unless `guarded`.
        """
        if isinstance(count, int) and count == 1:
            return list(body(list(pointers), list(sums)) or [])
        b = self.b
        before = b.block
        head, after = b.append_basic_block("loop"), b.append_basic_block("after")
        if guarded:
            b.cbranch(b.icmp_signed(">", self.i64(count), I64(0)), head, after)
        else:
            b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        places = [b.phi(p.type) for p in pointers]
        held = [b.phi(s.type) for s in sums]
        out = list(body(list(places), list(held)) or [])
        tail = b.block
        following = b.add(index, I64(1))
        advanced = [self.at(p, s) for p, s in zip(places, strides, strict=True)]
        b.cbranch(b.icmp_signed("<", following, self.i64(count)), head, after)
        for phi, first, again in (
            (index, I64(0), following),
            *zip(places, pointers, advanced, strict=True),
            *zip(held, sums, out, strict=True),
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(again, tail)
        b.position_at_end(after)
        return self._merged(sums, out, before, tail) if guarded else out

    def _merged(self, first: Sequence[Any], last: Sequence[Any], before: Any, tail: Any) -> list[Any]:
        """After a guarded loop: `first` where it was skipped, `last` where it ran."""
        merged = [self.b.phi(s.type) for s in first]
        for phi, skipped, ran in zip(merged, first, last, strict=True):
            phi.add_incoming(skipped, before)
            phi.add_incoming(ran, tail)
        return merged

    def when(self, condition: Any, then: Callable[[], None]) -> None:
        """Emit `then` so that it runs only where the i1 `condition` holds."""
        with self.b.if_then(condition):
            then()

    def interleave(self, x: Any, y: Any, high: bool) -> Any:
        """x0 y0 x1 y1 ... of the low or high halves."""
        start = self.lanes // 2 if high else 0
        order = [i for k in range(start, start + self.lanes // 2) for i in (k, self.lanes + k)]
        return self.b.shuffle_vector(x, y, ir.Constant(self.vector_i32, order))

    def transpose(self, rows: Sequence[Any]) -> list[Any]:
        """`lanes` vectors as a square matrix, transposed: log2(lanes) rounds of interleaving.

        Each round is a perfect shuffle of the 2*log2(lanes) address bits (row, column) by one bit, so that after
        log2(lanes) rounds row and column have changed places.
        """
        half = self.lanes // 2
        current = list(rows)
        for _ in range(self.lanes.bit_length() - 1):
            pairs = [(current[i], current[i + half]) for i in range(half)]
            current = [self.interleave(x, y, high) for x, y in pairs for high in (False, True)]
        return current


def _masked_code(element: Any) -> tuple[str, int]:
    """How LLVM names an element type, and its size in bytes."""
    return ("f32", FLOAT_BYTES) if element == F32 else (f"i{element.width}", element.width // 8)
