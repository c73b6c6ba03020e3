"""Machine code of a GPU as instructions: what a kernel consists of, and what its innermost loop does.

Needs nvdisasm, or cuobjdump in its stead, on the path or from NVIDIA's wheels; a GPU is not needed.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import pytest

MATH = ("FFMA", "HMMA", "HGMMA")
"""Opcodes of multiply-adds: 32 of a warp, 1,024 to 2,048 of a warp, 65,536 and more of a warp group."""

_INSTRUCTION = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.a-z]*)([^;]*);")
_LABEL = re.compile(r"^\s*(\.L_[x\d_]+):")
_TARGET = re.compile(r"`\((\.L_[x\d_]+)\)|(0x[0-9a-f]+)")


@dataclass(frozen=True)
class Instruction:
    """`opcode` with its modifiers, such as `LDG.E.128`; `target` is where a branch goes."""

    address: int
    opcode: str
    operands: str
    target: int | None = None

    @property
    def name(self) -> str:
        """The opcode without modifiers."""
        return self.opcode.split(".")[0]


@cache
def tool() -> str | None:
    """A disassembler, or None."""
    for name in ("nvdisasm", "cuobjdump"):
        if found := which(name):
            return found
        if find_spec("cuda") is not None and find_spec("cuda.pathfinder") is not None:
            from cuda.pathfinder import find_nvidia_binary_utility

            if found := find_nvidia_binary_utility(name):
                return str(found)
    return None


def needed() -> str:
    """The disassembler; skips the test that asks where there is none."""
    found = tool()
    if found is None:
        pytest.skip("neither nvdisasm nor cuobjdump is installed")
    return found


def instructions(cubin: bytes) -> list[Instruction]:
    """The machine code of a cubin with one kernel, in order."""
    program = needed()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        option = "-c" if Path(program).name.startswith("nvdisasm") else "-sass"
        done = subprocess.run([program, option, str(path)], capture_output=True, text=True, check=True)
    return parsed(done.stdout)


def parsed(text: str) -> list[Instruction]:
    """The instructions of a listing, whose branches name labels (nvdisasm) or addresses (cuobjdump)."""
    found: list[tuple[int, str, str]] = []
    labels: dict[str, int] = {}
    waiting: list[str] = []
    for line in text.splitlines():
        if label := _LABEL.match(line):
            waiting.append(label[1])
        if match := _INSTRUCTION.search(line):
            address = int(match[1], 16)
            labels.update(dict.fromkeys(waiting, address))
            waiting = []
            found.append((address, match[2], match[3].strip()))
    return [Instruction(*parts, _target(parts[1], parts[2], labels)) for parts in found]


def _target(opcode: str, operands: str, labels: dict[str, int]) -> int | None:
    match = list(_TARGET.finditer(operands)) if opcode.startswith("BRA") else []
    if not match:
        return None
    label, address = match[-1].groups()
    return labels.get(label) if label else int(address, 16)


def inner_loop(code: Sequence[Instruction]) -> list[Instruction]:
    """The instructions of the loop with the most multiply-adds, of nested ones the innermost; empty if none has any."""
    index = {instruction.address: i for i, instruction in enumerate(code)}
    best: list[Instruction] = []
    for end, instruction in enumerate(code):
        start = index.get(instruction.target, end + 1) if instruction.target is not None else end + 1
        body = list(code[start : end + 1])
        if (maths(body), -len(body)) > (maths(best), -len(best)) and maths(body):
            best = body
    return best


def maths(code: Sequence[Instruction]) -> int:
    """How many instructions are multiply-adds."""
    return sum(instruction.name in MATH for instruction in code)


def counts(code: Sequence[Instruction]) -> Counter[str]:
    """How often each opcode occurs, without modifiers."""
    return Counter(instruction.name for instruction in code)


def uses(code: Sequence[Instruction], opcode: str) -> int:
    """How often an opcode occurs with at least these modifiers, such as `HMMA.1688` or `LDG.128`."""
    name, *modifiers = opcode.split(".")
    return sum(i.name == name and set(modifiers) <= set(i.opcode.split(".")) for i in code)


def local_accesses(code: Sequence[Instruction]) -> int:
    """Loads and stores of local memory: spills, and arrays that are not in registers."""
    return uses(code, "LDL") + uses(code, "STL")
