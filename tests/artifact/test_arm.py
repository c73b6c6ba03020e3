"""Code for 64-bit Arm, which this machine need not be: disassembled from every entry point, along all branches."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from pathlib import Path

import capstone
from capstone import arm64

from netlang.runtime.artifact import open_artifact
from tests.artifact.conftest import SMALL, model_of, write

END = ("ret", "br", "brk", "udf")
"""After these, and after a plain branch, nothing follows."""
BRANCHES = ("b", "bl", "cbz", "cbnz", "tbz", "tbnz")


def walked(blob: bytes, entries: list[int]) -> dict[int, capstone.CsInsn]:
    """Every instruction that can be reached, by its place."""
    machine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    machine.detail = True
    found: dict[int, capstone.CsInsn] = {}
    waiting = list(entries)
    while waiting:
        place = waiting.pop()
        while place not in found:
            assert 0 <= place <= len(blob) - 4 and place % 4 == 0, hex(place)
            (instruction,) = machine.disasm(blob[place : place + 4], place)
            found[place] = instruction
            name = instruction.mnemonic
            if name in BRANCHES or name.startswith("b."):
                waiting.append(instruction.operands[-1].imm)
            if name in END or name == "b":
                break
            place += 4
    return found


def test_every_instruction_is_one_and_every_branch_stays_inside(tmp_path: Path) -> None:
    artifact = open_artifact(write(tmp_path / "n.netc", model_of(SMALL), levels=["aarch64"]))
    (level,) = artifact.content["levels"]
    blob = zlib.decompress(artifact.member("code/aarch64"))
    program = json.loads(zlib.decompress(artifact.member("program/small/aarch64")))
    kernels = {line[0] for line in (*program["prologue"], *program["lines"])}
    table = 8 * len(level["imports"])
    found = walked(blob, [*kernels, *level["entries"].values()])
    names = Counter(i.mnemonic for i in found.values())
    assert names["ret"] >= len(kernels)
    # Products of vectors of four, whose registers are named v, not the z of processors with longer ones.
    assert sum(i.mnemonic == "fmla" and ".4s" in i.op_str for i in found.values()) > 50
    assert not any(i.op_str.startswith("z") for i in found.values())
    # The C library is reached through the table at the start alone: a page, an entry of it, a jump to what is there.
    jumps = [place for place, i in found.items() if i.mnemonic == "br"]
    assert len(jumps) == len(level["imports"])
    for place in jumps:
        page, entry = found[place - 8], found[place - 4]
        assert (page.mnemonic, entry.mnemonic) == ("adrp", "ldr")
        assert page.operands[1].imm + entry.operands[1].mem.disp < table
    # Constants are in the blob too.
    pages = [i.operands[1].imm for i in found.values() if i.mnemonic in ("adrp", "adr")]
    assert pages and all(i < len(blob) for i in pages)
    assert names["svc"] == 0 and all(i.id != arm64.ARM64_INS_INVALID for i in found.values())
