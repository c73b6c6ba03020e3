"""Linking objects into one blob that runs wherever it is put, at the start of a page: no other linker is needed.

0                 a table of 8 bytes for each function of the C library that is called: whoever loads the blob writes
                  their addresses there
then              for each of them a stub that jumps to where its entry says
then              the sections of all objects; places inside the blob are relative to each other
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from netlang.backends.cpu.elf import Object, Relocation, read_object

X86, ARM = 62, 183
_ENTRY = 8
_STUB = 16
_PAGE = 4096


@dataclass(frozen=True)
class Linked:
    """`imports` are the functions whose addresses the table at the start takes, in order; `places` of the entry points,
    by symbol, in bytes from the start."""

    blob: bytes
    imports: tuple[str, ...]
    places: Mapping[str, int]


def link(objects: Mapping[str, bytes]) -> Linked:
    """Link objects by the symbol of their entry point. Raises ValueError for what cannot be linked."""
    return _Linker({symbol: read_object(data) for symbol, data in objects.items()}).linked()


class _Linker:
    def __init__(self, objects: Mapping[str, Object]) -> None:
        self.objects = objects
        machines = {found.machine for found in objects.values()}
        if len(machines) != 1 or not machines <= {X86, ARM}:
            raise ValueError(f"objects for the machines {sorted(machines)}")
        (self.machine,) = machines
        undefined = {r.symbol.name for o in objects.values() for r in _loaded(o) if r.symbol.section == 0}
        self.imports = tuple(sorted(undefined))
        self.stubs = len(self.imports) * _ENTRY
        self.sections: dict[tuple[str, int], int] = {}
        self.body = bytearray(-(-(self.stubs + len(self.imports) * _STUB) // 64) * 64)

    def linked(self) -> Linked:
        for i in range(len(self.imports)):
            self._stub(i)
        for name, found in self.objects.items():
            self._place(name, found)
        for name, found in self.objects.items():
            for relocation in _loaded(found):
                self._relocate(name, relocation)
        places = {name: self._entry_point(name, found) for name, found in self.objects.items()}
        return Linked(bytes(self.body), self.imports, places)

    def _stub(self, i: int) -> None:
        """jmp *entry(%rip); or adrp, ldr and br by the register that calls may use for this."""
        place, entry = self.stubs + i * _STUB, i * _ENTRY
        if self.machine == X86:
            code = b"\xff\x25" + struct.pack("<i", entry - (place + 6))
        else:
            adrp = _page_bits(0x90000010, place, entry)
            code = struct.pack("<III", adrp, 0xF9400210 | (entry % _PAGE >> 3) << 10, 0xD61F0200)
        self.body[place : place + len(code)] = code

    def _place(self, name: str, found: Object) -> None:
        for i, section in enumerate(found.sections):
            if section.is_loaded:
                self.body += bytes(-len(self.body) % max(section.align, 1))
                self.sections[name, i] = len(self.body)
                self.body += section.body

    def _entry_point(self, name: str, found: Object) -> int:
        symbol = next((s for s in found.symbols if s.name == name and (name, s.section) in self.sections), None)
        if symbol is None:
            raise ValueError(f"the object of {name} does not define it")
        return self.sections[name, symbol.section] + symbol.value

    def _relocate(self, name: str, relocation: Relocation) -> None:
        place = self.sections[name, relocation.section] + relocation.offset
        kinds = _X86_KINDS if self.machine == X86 else _ARM_KINDS
        if relocation.kind not in kinds:
            raise ValueError(f"{name} has a relocation of the kind {relocation.kind}")
        by_entry, patch = kinds[relocation.kind]
        target = self._target(name, relocation, by_entry) + relocation.addend
        patch(self.body, place, target)

    def _target(self, name: str, relocation: Relocation, by_entry: bool) -> int:
        symbol = relocation.symbol
        if by_entry and symbol.section != 0:
            raise ValueError(f"{name} asks for a table entry of its own symbol {symbol.name}")
        if symbol.section == 0:
            i = self.imports.index(symbol.name)
            return i * _ENTRY if by_entry else self.stubs + i * _STUB
        if (name, symbol.section) not in self.sections:
            raise ValueError(f"{name} refers to {symbol.name}, which is not in the blob")
        return self.sections[name, symbol.section] + symbol.value


def _loaded(found: Object) -> list[Relocation]:
    """The relocations of what code needs when it runs."""
    return [r for r in found.relocations if found.sections[r.section].is_loaded]


# ---- relocations: from the place and the target in the blob to the bits at the place

Patch = Callable[[bytearray, int, int], None]


def _relative(body: bytearray, place: int, target: int) -> None:
    struct.pack_into("<i", body, place, target - place)


def _page_bits(instruction: int, place: int, target: int) -> int:
    """adrp: the distance in pages, in two pieces."""
    pages = target // _PAGE - place // _PAGE
    return instruction | (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5


def _page(body: bytearray, place: int, target: int) -> None:
    (instruction,) = struct.unpack_from("<I", body, place)
    struct.pack_into("<I", body, place, _page_bits(instruction, place, target))


def _call(body: bytearray, place: int, target: int) -> None:
    (instruction,) = struct.unpack_from("<I", body, place)
    distance = target - place
    if distance % 4 or not -(1 << 27) <= distance < 1 << 27:
        raise ValueError("a call farther than its instruction reaches")
    struct.pack_into("<I", body, place, instruction | (distance >> 2 & 0x3FFFFFF))


def _low_bits(shift: int) -> Patch:
    """The place in its page, in units of what is loaded."""

    def patch(body: bytearray, place: int, target: int) -> None:
        (instruction,) = struct.unpack_from("<I", body, place)
        if target % (1 << shift):
            raise ValueError("what is loaded is not aligned")
        struct.pack_into("<I", body, place, instruction | (target % _PAGE >> shift) << 10)

    return patch


_X86_KINDS: dict[int, tuple[bool, Patch]] = {
    2: (False, _relative),  # R_X86_64_PC32
    4: (False, _relative),  # R_X86_64_PLT32
    9: (True, _relative),  # R_X86_64_GOTPCREL
    41: (True, _relative),  # R_X86_64_GOTPCRELX
    42: (True, _relative),  # R_X86_64_REX_GOTPCRELX
}
_ARM_KINDS: dict[int, tuple[bool, Patch]] = {
    261: (False, _relative),  # R_AARCH64_PREL32
    275: (False, _page),  # R_AARCH64_ADR_PREL_PG_HI21
    277: (False, _low_bits(0)),  # R_AARCH64_ADD_ABS_LO12_NC
    278: (False, _low_bits(0)),  # R_AARCH64_LDST8_ABS_LO12_NC
    282: (False, _call),  # R_AARCH64_JUMP26
    283: (False, _call),  # R_AARCH64_CALL26
    284: (False, _low_bits(1)),  # R_AARCH64_LDST16_ABS_LO12_NC
    285: (False, _low_bits(2)),  # R_AARCH64_LDST32_ABS_LO12_NC
    286: (False, _low_bits(3)),  # R_AARCH64_LDST64_ABS_LO12_NC
    299: (False, _low_bits(4)),  # R_AARCH64_LDST128_ABS_LO12_NC
    311: (True, _page),  # R_AARCH64_ADR_GOT_PAGE
    312: (True, _low_bits(3)),  # R_AARCH64_LD64_GOT_LO12_NC
}
"""By the kind's number: whether it means the table's entry rather than the function, and what it does."""
