"""Every word of the vocabulary compiles for its architectures, into the instruction that is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType

import pytest

from netlang.backends.cuda import toolchain
from netlang.backends.cuda.intrinsics import (
    WORDS,
    conversions,
    copies,
    dots,
    elements,
    indices,
    matrices,
    numbers,
    warp_groups,
    warps,
)
from tests.backends.cuda import needs, sass
from tests.backends.cuda.calls import calling

pytestmark = needs.compiler

MODULES = (numbers, conversions, indices, elements, copies, warps, matrices, warp_groups, dots)
ARCHITECTURES = ("75", "80", "90a", "100")


@pytest.fixture(autouse=True, scope="module")
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETLANG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_all_words_become_machine_code(module: ModuleType, architecture: str) -> None:
    words = [word for word in module.WORDS if word.runs_on(architecture)]
    made = toolchain.cubin(calling(words), architecture)
    assert made.code.startswith(b"\x7fELF")
    if module is not numbers:  # pow keeps something on the stack
        assert made.resources.stack == made.resources.spills == 0


PTX = {
    "load4_f32": r"ld\.global\.v4\.f32",
    "load_fixed_f32": r"ld\.global\.nc\.f32",
    "load4_fixed_f32": r"ld\.global\.nc\.v4\.f32",
    "load_raw16": r"ld\.global\.v4\.u32",
    "load2_f64": r"ld\.global\.v2\.f64",
    "load_i8": r"ld\.global\.s8",
    "store4_f32": r"st\.global\.v4\.f32",
    "store_bool": r"st\.global\.u8",
    "load4_shared_f32": r"ld\.shared\.v4\.f32",
    "store4_shared_f32": r"st\.shared\.v4\.f32",
    "load_shared_f64": r"ld\.shared\.f64",
    "shared_base": r"\.extern \.shared \.align 1024 \.b8 netlang_shared\[\]",
    "cp_async4": r"cp\.async\.ca\.shared\.global \[%r\d+\], \[%rd\d+\], 4, %r\d+;",
    "cp_async8": r"cp\.async\.ca\.shared\.global \[%r\d+\], \[%rd\d+\], 8, %r\d+;",
    "cp_async16": r"cp\.async\.cg\.shared\.global \[%r\d+\], \[%rd\d+\], 16, %r\d+;",
    "cp_commit": r"cp\.async\.commit_group;",
    "cp_wait2": r"cp\.async\.wait_group 2;",
    "sync": r"bar\.sync",
    "sync_warp": r"bar\.warp\.sync",
    "shuffle_down_f32": r"shfl\.sync\.down\.b32",
    "shuffle_xor_f64": r"(?s)shfl\.sync\.bfly\.b32.*shfl\.sync\.bfly\.b32",
    "ballot": r"vote\.sync\.ballot\.b32",
    "ldmatrix_x4": r"ldmatrix\.sync\.aligned\.m8n8\.x4\.shared\.b16",
    "ldmatrix_x4_trans": r"ldmatrix\.sync\.aligned\.m8n8\.x4\.trans\.shared\.b16",
    "mma_tf32": r"mma\.sync\.aligned\.m16n8k8\.row\.col\.f32\.tf32\.tf32\.f32",
    "mma_bf16": r"mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.bf16\.bf16\.f32",
    "mma_f16": r"mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.f16\.f16\.f32",
    "mma_f16_k8": r"mma\.sync\.aligned\.m16n8k8\.row\.col\.f32\.f16\.f16\.f32",
    "wgmma_tf32": r"wgmma\.mma_async\.sync\.aligned\.m64n128k8\.f32\.tf32\.tf32",
    "wgmma_bf16": r"wgmma\.mma_async\.sync\.aligned\.m64n128k16\.f32\.bf16\.bf16",
    "wgmma_f16": r"wgmma\.mma_async\.sync\.aligned\.m64n128k16\.f32\.f16\.f16",
    "fence_async_shared": r"fence\.proxy\.async\.shared::cta;",
    "max_f32": r"max\.NaN\.f32",
    "fma_f32": r"fma\.rn\.f32",
    "sqrt_f32": r"sqrt\.rn\.f32",
    "mulhi_u32": r"mul\.(hi|wide)\.u32",
    "div_rounded_f64": r"div\.rn\.f64",
    "round_tf32": r"cvt\.rna\.tf32\.f32",
    "pack_bf16x2": r"cvt\.rn\.bf16x2\.f32",
    "f16_bits": r"cvt\.rn\.f16\.f32",
}
"""Words and the PTX they become."""


@pytest.mark.parametrize("name", PTX)
def test_a_word_becomes_the_instruction_that_is_meant(name: str) -> None:
    assert re.search(PTX[name], toolchain.ptx(calling([WORDS[name]]), "90a").text)


SASS = {
    "load4_f32": "LDG.E.128",
    "store4_f32": "STG.E.128",
    "load4_shared_f32": "LDS.128",
    "store4_shared_f32": "STS.128",
    "cp_async16": "LDGSTS.E.BYPASS.128",
    "ldmatrix_x4": "LDSM.16.M88.4",
    "mma_tf32": "HMMA.1688.F32.TF32",
    "mma_bf16": "HMMA.16816.F32.BF16",
    "mma_f16": "HMMA.16816.F32",
    "wgmma_tf32": "HGMMA.64x128x8.F32.TF32",
    "wgmma_bf16": "HGMMA.64x128x16.F32.BF16",
}
"""Words and the machine instruction they become on Hopper."""


@pytest.mark.parametrize("name", SASS)
def test_a_word_becomes_one_machine_instruction(name: str) -> None:
    code = sass.instructions(toolchain.cubin(calling([WORDS[name]]), "90a").code)
    assert [i.opcode for i in code if i.opcode.startswith(SASS[name])], [i.opcode for i in code]


def test_an_architecture_has_the_words_that_it_can_carry_out() -> None:
    turing, ampere, hopper, blackwell = (
        {name for name, word in WORDS.items() if word.runs_on(architecture)} for architecture in ARCHITECTURES
    )
    assert not {"cp_async16", "mma_tf32", "round_tf32", "wgmma_bf16"} & turing
    assert {"mma_f16_k8", "ldmatrix_x4", "bf16_bits", "store_bf16", "sync_warp"} <= turing
    assert {"cp_async16", "mma_tf32", "mma_bf16"} <= ampere & hopper & blackwell
    assert "wgmma_bf16" in hopper and "wgmma_bf16" not in ampere and "wgmma_bf16" not in blackwell
