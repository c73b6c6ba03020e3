"""The linker: what it makes of objects of both architectures, and what it refuses."""

from __future__ import annotations

import ctypes
import struct
from functools import cache

import pytest

from netlang.backends.cpu.artifact.code import Code, missing_features
from netlang.backends.cpu.elf import Object, Relocation, read_object
from netlang.backends.cpu.foreign import ALLOWED
from netlang.backends.cpu.kernel import Kernel
from netlang.backends.cpu.link import Linked, link
from netlang.backends.cpu.loader import compile_now
from netlang.backends.cpu.target import LEVELS
from netlang.backends.cpu.threads import WORKER
from netlang.diagnostics import NetError
from tests.backends.cpu.test_spills import KERNELS

CONV = KERNELS["conv of one row"]
ARM_LOADS = {277: 0, 278: 0, 284: 1, 285: 2, 286: 3, 299: 4}
"""Kinds of relocations with the low bits of an address, and the shift of what is loaded."""


@cache
def objects(level: str) -> dict[str, bytes]:
    """Two kernels for a level: one with constants, one that calls the operating system."""
    return dict(compile_now(kernel, LEVELS[level]) for kernel in (CONV, WORKER))


def word(blob: bytes, place: int) -> int:
    return int(struct.unpack_from("<I", blob, place)[0])


def placed(linked: Linked, found: Object, symbol: str) -> int:
    """Where the section of the entry point begins in the blob."""
    entry = next(s for s in found.symbols if s.name == symbol)
    return linked.places[symbol] - entry.value


def signed(number: int, bits: int) -> int:
    return number - (1 << bits) if number >> (bits - 1) else number


@pytest.mark.parametrize("level", LEVELS)
def test_calls_lead_to_stubs_that_jump_by_the_table(level: str) -> None:
    linked = link(objects(level))
    assert "syscall" in linked.imports and set(linked.imports) <= ALLOWED
    calls = 0
    for symbol, found, relocation in relocations(level):
        if relocation.symbol.section == 0:
            place = placed(linked, found, symbol) + relocation.offset
            target = called(linked.blob, place, level == "aarch64")
            assert linked.imports[jumped_by(linked.blob, target, level == "aarch64") // 8] == relocation.symbol.name
            calls += 1
    assert calls > 2


def relocations(level: str) -> list[tuple[str, Object, Relocation]]:
    return [
        (symbol, found, r)
        for symbol, found in ((s, read_object(o)) for s, o in objects(level).items())
        for r in found.relocations
        if found.sections[r.section].name == ".text"
    ]


def called(blob: bytes, place: int, arm: bool) -> int:
    """Where a call leads: bl on Arm; on x86 the four bytes are relative to what is behind them."""
    if arm:
        assert word(blob, place) >> 26 == 0b100101
        return place + 4 * signed(word(blob, place) & 0x3FFFFFF, 26)
    return place + 4 + signed(word(blob, place), 32)


def jumped_by(blob: bytes, stub: int, arm: bool) -> int:
    """The entry of the table that a stub jumps by."""
    if not arm:
        assert blob[stub : stub + 2] == b"\xff\x25"
        return stub + 6 + signed(word(blob, stub + 2), 32)
    adrp, load, jump = (word(blob, stub + 4 * i) for i in range(3))
    assert adrp & 0x9F00001F == 0x90000010 and load & 0xFFC003FF == 0xF9400210 and jump == 0xD61F0200
    return page(adrp, stub) + (load >> 10 & 0xFFF) * 8


def page(adrp: int, place: int) -> int:
    pages = signed((adrp >> 5 & 0x7FFFF) << 2 | adrp >> 29 & 3, 21)
    return (place // 4096 + pages) * 4096


def test_constants_are_where_instructions_of_arm_look_for_them() -> None:
    linked = link(objects("aarch64"))
    pages: list[int] = []
    checked = 0
    for symbol, found, relocation in relocations("aarch64"):
        place = placed(linked, found, symbol) + relocation.offset
        home = found.sections[relocation.symbol.section]
        if relocation.kind == 275:
            pages.append(page(word(linked.blob, place), place))
        elif relocation.kind in ARM_LOADS:
            low = (word(linked.blob, place) >> 10 & 0xFFF) << ARM_LOADS[relocation.kind]
            first = relocation.symbol.value + relocation.addend
            wanted = home.body[first : first + 16]
            assert any(linked.blob[p + low : p + low + len(wanted)] == wanted for p in pages)
            checked += 1
    assert checked


def test_constants_are_where_instructions_of_x86_look_for_them() -> None:
    linked = link(objects("x86-64-v3"))
    checked = 0
    for symbol, found, relocation in relocations("x86-64-v3"):
        if relocation.symbol.section and found.sections[relocation.symbol.section].name.startswith(".rodata"):
            place = placed(linked, found, symbol) + relocation.offset
            target = place + signed(word(linked.blob, place), 32) - relocation.addend
            body = found.sections[relocation.symbol.section].body[relocation.symbol.value :]
            assert linked.blob[target : target + len(body)][:4] == body[:4]
            checked += 1
    assert checked


def test_it_is_the_same_wherever_symbols_have_other_names() -> None:
    """Names are not part of the blob."""
    assert link(objects("x86-64-v3")).blob == link(dict(objects("x86-64-v3"))).blob
    assert b"netlang" not in link(objects("aarch64")).blob


def test_what_cannot_be_linked() -> None:
    symbol, body = list(objects("x86-64-v3").items())[-1]
    with pytest.raises(ValueError, match="no little-endian relocatable ELF"):
        link({symbol: b"\x7fELF\x01\x01" + bytes(58)})
    with pytest.raises(ValueError, match="the object of another does not define it"):
        link({"another": body})
    with pytest.raises(ValueError, match=r"objects for the machines \[62, 183\]"):
        link({**objects("x86-64-v3"), **{f"{s}_arm": o for s, o in objects("aarch64").items()}})
    for i in range(32):  # every call of a function that symbol i names
        body = body.replace(struct.pack("<II", 4, i), struct.pack("<II", 99, i))
    with pytest.raises(ValueError, match="a relocation of the kind 99"):
        link({symbol: body})


def test_code_runs_and_cannot_be_written() -> None:
    level = next(n for n, t in LEVELS.items() if not missing_features({"arch": t.arch, "needs": sorted(t.needs)}))
    yes = Kernel("worker", WORKER.source)
    linked = link(objects(level))
    code = Code(linked.blob, linked.imports, {yes.key: next(iter(linked.places.values()))})
    assert code.address(yes) - code.address(0) == next(iter(linked.places.values()))
    assert ctypes.string_at(code.address(len(linked.imports) * 8), 64) == linked.blob[len(linked.imports) * 8 :][:64]
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        ranges = [line.split()[:2] for line in maps]
    at = code.address(0)
    rights = [r for r in ranges if int(r[0].split("-")[0], 16) <= at < int(r[0].split("-")[1], 16)]
    assert rights[0][1] == "r-xp"


def test_functions_that_no_code_calls_are_not_looked_up() -> None:
    with pytest.raises(NetError, match="the function 'system', which no code of netlang calls"):
        Code(bytes(64), ["system"], {})
