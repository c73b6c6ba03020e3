"""Reading relocatable ELF objects of 64 bits, as LLVM writes them: what a static linker needs of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

ELF = b"\x7fELF"
"""How such files begin."""
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
PROGBITS, SYMTAB, RELA, NOBITS = 1, 2, 4, 8
_ALLOC = 2
_SECTION_SYMBOL = 3


@dataclass(frozen=True)
class Section:
    """A section of an object; `body` is empty for what has no bytes in the file."""

    name: str
    kind: int
    flags: int
    align: int
    body: bytes
    link: int
    info: int

    @property
    def is_loaded(self) -> bool:
        """Whether code needs it when it runs: tables for unwinding are not, nothing here ever throws."""
        return bool(self.flags & _ALLOC) and self.kind == PROGBITS and self.name != ".eh_frame" and bool(self.body)


@dataclass(frozen=True)
class Symbol:
    """`section` 0: it is defined elsewhere."""

    name: str
    section: int
    value: int


@dataclass(frozen=True)
class Relocation:
    """What is to be written at `offset` of `section`: by its kind, from the symbol's place plus `addend`."""

    section: int
    offset: int
    kind: int
    symbol: Symbol
    addend: int


@dataclass(frozen=True)
class Object:
    """A relocatable object."""

    machine: int
    sections: list[Section]
    symbols: list[Symbol]
    relocations: list[Relocation]


def read_object(data: bytes) -> Object:
    """Parse an object. Raises ValueError for anything else."""
    header = _HEADER.unpack_from(data)
    if header[0][:6] != ELF + b"\x02\x01" or header[1] != 1:
        raise ValueError("no little-endian relocatable ELF object of 64 bits")
    start, count, names = header[6], header[12], header[13]
    raw = [_SECTION.unpack_from(data, start + i * _SECTION.size) for i in range(count)]
    bodies = [b"" if r[1] == NOBITS else data[r[4] : r[4] + r[5]] for r in raw]
    sections = [
        Section(_text(bodies[names], r[0]), r[1], r[2], r[8], body, r[6], r[7])
        for r, body in zip(raw, bodies, strict=True)
    ]
    symbols = [s for section in sections if section.kind == SYMTAB for s in _symbols(section, sections)]
    relocations = [r for section in sections if section.kind == RELA for r in _relocations(section, symbols)]
    return Object(header[2], sections, symbols, relocations)


def _text(table: bytes, place: int) -> str:
    return table[place : table.index(b"\0", place)].decode()


def _symbols(section: Section, sections: list[Section]) -> list[Symbol]:
    names = sections[section.link].body
    found = []
    for name, info, _, home, value, _ in _SYMBOL.iter_unpack(section.body):
        own = sections[home].name if info & 15 == _SECTION_SYMBOL else _text(names, name)
        found.append(Symbol(own, home, value))
    return found


def _relocations(section: Section, symbols: list[Symbol]) -> list[Relocation]:
    return [
        Relocation(section.info, offset, info & 0xFFFFFFFF, symbols[info >> 32], addend)
        for offset, info, addend in _RELOCATION.iter_unpack(section.body)
    ]
