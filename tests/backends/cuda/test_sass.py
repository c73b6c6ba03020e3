"""Reading disassembled machine code of GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlang.backends.cuda import toolchain
from netlang.backends.cuda.kernel import Kernel
from tests.backends.cuda import needs, sass

SUM_OF_PRODUCTS = """
def kernel(x, y, rows, columns):
    total = load_f32(y, 0)
    for row in range(rows):
        store_f32(y, 4 * row, total)
        for column in range(columns):
            total = total * load_f32(x, 4 * column) + load_f32(y, 4 * column)
    store_f32(y, 0, total)
"""

LISTING = """
.L_x_1:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
        /*0010*/              @!P0 LDG.E.128 R4, [R2.64] ;
.L_x_0:
        /*0020*/                   FFMA R4, R5, R6, R4 ;
        /*0030*/                   HMMA.1688.F32.TF32 R8, R4, R6, R8 ;
        /*0040*/              @!P0 BRA `(.L_x_0) ;
        /*0050*/               @P1 BRA `(.L_x_1) ;
        /*0060*/                   STL [R1], R2 ;
        /*0070*/                   EXIT ;
"""


def test_labels_become_addresses_and_the_inner_loop_is_the_shortest_with_all_the_math() -> None:
    code = sass.parsed(LISTING)
    assert [i.address for i in code] == list(range(0, 0x80, 0x10))
    assert [i.target for i in code if i.name == "BRA"] == [0x20, 0x00]
    assert [i.address for i in sass.inner_loop(code)] == [0x20, 0x30, 0x40]
    assert sass.maths(code) == 2
    assert sass.counts(code)["BRA"] == 2
    assert sass.local_accesses(code) == 1


def test_addresses_of_cuobjdump_are_read_too() -> None:
    code = sass.parsed(LISTING.replace("`(.L_x_0)", "0x20").replace("`(.L_x_1)", "0x0"))
    assert [i.target for i in code if i.name == "BRA"] == [0x20, 0x00]


@pytest.mark.parametrize(
    ("opcode", "times"), [("HMMA.TF32", 1), ("HMMA.1688.F32", 1), ("HMMA.BF16", 0), ("LDG.128", 1), ("LDG.64", 0)]
)
def test_uses_are_counted_by_modifiers(opcode: str, times: int) -> None:
    assert sass.uses(sass.parsed(LISTING), opcode) == times


def test_code_without_math_has_no_inner_loop() -> None:
    assert sass.inner_loop(sass.parsed(LISTING.replace("FFMA", "IADD3").replace("HMMA", "IADD3"))) == []


@needs.compiler
@pytest.mark.parametrize("arch", ["75", "80", "90", "90a", "100"])
def test_the_inner_loop_of_real_code(arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path))
    made = toolchain.cubin(Kernel("sum of products", lambda: SUM_OF_PRODUCTS, "ppii", 32), arch)
    code = sass.instructions(made.code)
    assert sass.counts(code)["EXIT"] >= 1
    loop = sass.inner_loop(code)
    assert loop and sass.maths(loop) == sass.counts(loop)["FFMA"]
    assert sass.uses(loop, "LDG") == 2 * sass.maths(loop)
    assert sass.local_accesses(code) == 0
