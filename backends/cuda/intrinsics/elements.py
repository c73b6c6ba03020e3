"""Loads and stores by element: `load_f32`, `store4_f32`, `load_shared_raw16`, ...

An address has 64 bits in device memory and 32 in shared memory; the offset behind it is in bytes. Elements are read as
the type that kernels compute in and converted where they are stored:

    f32 f64 i32 i64 u32 u64    as they are
    f16 bf16                   as float32
    i8 i16 u8 u16 bool         as int32, uint32 and bool
    raw1 raw2 raw4             bytes as an unsigned number of 32 bits; raw8 of 64, raw16 as four of 32

Vectors of 8 and 16 bytes must be aligned so and are one instruction: they are LLVM loads, which it can schedule.
`fixed` reads memory that nothing writes while the kernel runs (ld.global.nc).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from netlang.backends.cuda.intrinsics import conversions as to
from netlang.backends.cuda.intrinsics.emission import (
    F16,
    F32,
    F64,
    GLOBAL,
    I8,
    I16,
    I32,
    I64,
    SHARED,
    Emission,
)
from netlang.backends.cuda.intrinsics.machine import Machine
from netlang.backends.cuda.intrinsics.word import Word

_Convert = Callable[[Emission, Any], Any]


def _same(e: Emission, value: Any) -> Any:
    return value


def _zext(kind: Any) -> _Convert:
    return lambda e, value: e.builder.zext(value, kind)


def _sext(kind: Any) -> _Convert:
    return lambda e, value: e.builder.sext(value, kind)


def _trunc(kind: Any) -> _Convert:
    return lambda e, value: e.builder.trunc(value, kind)


@dataclass(frozen=True)
class Element:
    """How one element is in memory and in registers.

    register    its type in kernels, as in `word.py`
    memory      LLVM's type in memory
    counts      how many may be loaded or stored at once
    """

    register: str
    memory: Any
    loaded: _Convert = _same
    stored: _Convert = _same
    counts: tuple[int, ...] = (1,)


ELEMENTS: dict[str, Element] = {
    "f32": Element("f32", F32, counts=(1, 2, 4)),
    "f64": Element("f64", F64, counts=(1, 2)),
    "i32": Element("i32", I32, counts=(1, 2, 4)),
    "u32": Element("u32", I32, counts=(1, 2, 4)),
    "i64": Element("i64", I64, counts=(1, 2)),
    "u64": Element("u64", I64),
    "f16": Element("f32", F16, lambda e, v: e.builder.fpext(v, F32), lambda e, v: e.builder.fptrunc(v, F16)),
    "bf16": Element(
        "f32",
        I16,
        lambda e, v: to.emit_bf16_number(e, e.builder.zext(v, I32)),
        lambda e, v: e.builder.trunc(to.emit_bf16_bits(e, v), I16),
    ),
    "i8": Element("i32", I8, _sext(I32), _trunc(I8)),
    "i16": Element("i32", I16, _sext(I32), _trunc(I16)),
    "u8": Element("u32", I8, _zext(I32), _trunc(I8)),
    "u16": Element("u32", I16, _zext(I32), _trunc(I16)),
    "bool": Element("bool", I8, lambda e, v: e.builder.icmp_unsigned("!=", v, I8(0)), _zext(I8)),
    "raw1": Element("u32", I8, _zext(I32), _trunc(I8)),
    "raw2": Element("u32", I16, _zext(I32), _trunc(I16)),
    "raw4": Element("u32", I32),
    "raw8": Element("u64", I64),
}


def _bytes(kind: Any, count: int) -> int:
    return count * (kind.width // 8 if isinstance(kind, ir.IntType) else {F16: 2, F32: 4, F64: 8}[kind])


def _load(space: int, element: Element, count: int, fixed: bool = False) -> Callable[..., Any]:
    def emit(e: Emission, address: Any, offset: Any) -> Any:
        kind = ir.VectorType(element.memory, count) if count > 1 else element.memory
        value = e.builder.load(e.pointer(space, address, offset, kind))
        value.align = _bytes(element.memory, count)
        if fixed:
            value.set_metadata("invariant.load", e.builder.module.add_metadata([]))
        if count == 1:
            return element.loaded(e, value)
        return e.tuple([element.loaded(e, e.builder.extract_element(value, I32(i))) for i in range(count)])

    return emit


def _store(space: int, element: Element, count: int) -> Callable[..., Any]:
    def emit(e: Emission, address: Any, offset: Any, value: Any) -> None:
        kind, out = element.memory, None
        if count == 1:
            out = element.stored(e, value)
        else:
            kind = ir.VectorType(element.memory, count)
            out = ir.Constant(kind, ir.Undefined)
            for i, part in enumerate(e.parts(value)):
                out = e.builder.insert_element(out, element.stored(e, part), I32(i))
        store = e.builder.store(out, e.pointer(space, address, offset, kind))
        store.align = _bytes(element.memory, count)

    return emit


def _words(space: int, kind: str, element: Element, count: int, name: str) -> Iterator[Word]:
    """The words of `count` elements in one space; `name` says what is moved: `raw16` is four u32."""
    where = "shared_" if space == SHARED else ""
    many = f"{count}" if count > 1 and not name.startswith("raw") else ""
    place = "u32,i32" if space == SHARED else "u64,i64"
    value = f"{element.register}x{count}" if count > 1 else element.register

    def at(machine: Machine) -> Any:
        return machine.shared if space == SHARED else machine.memory

    def loads(machine: Machine) -> Any:
        return at(machine).loader(kind, count)

    def stores(machine: Machine) -> Any:
        return at(machine).storer(kind, count)

    yield Word(f"load{many}_{where}{name}", f"{value}({place})", _load(space, element, count), loads, "bound")
    yield Word(f"store{many}_{where}{name}", f"none({place},{value})", _store(space, element, count), stores, "bound")
    if space == GLOBAL:
        fixed = _load(space, element, count, fixed=True)
        yield Word(f"load{many}_fixed_{name}", f"{value}({place})", fixed, loads, "bound")


def _all() -> Iterator[Word]:
    for space in (GLOBAL, SHARED):
        for kind, element in ELEMENTS.items():
            for count in element.counts:
                yield from _words(space, kind, element, count, kind)
        yield from _words(space, "u32", ELEMENTS["u32"], 4, "raw16")


WORDS = tuple(_all())
