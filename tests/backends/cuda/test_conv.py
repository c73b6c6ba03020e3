"""The machine code of tiled convolutions: no spills, and loops that consist of multiply-adds."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from netlang.backends.common.epilogue import EpilogueStep
from netlang.backends.cuda.tiles.block_tile import BlockTile, Precision
from netlang.backends.cuda.tiles.channels_last import channels_last_kernel
from netlang.backends.cuda.tiles.conv_kernel import conv_kernel
from netlang.backends.cuda.tiles.conv_pack import pack_kernel
from netlang.backends.cuda.tiles.conv_structure import ConvStructure, Role, TilePool
from netlang.backends.cuda.toolchain import cubin
from tests.backends.cuda import sass
from tests.backends.cuda.needs import compiler

pytestmark = compiler

BIAS_RELU = (EpilogueStep("channel", "add"), EpilogueStep("apply", "relu"))
POOL = TilePool("max", (2, 2), (2, 2), (0, 0), None, True, (1, 1))
OVERLAPPING = TilePool("switch", (3, 3), (2, 2), (1, 1), None, False, (4, 6))


def large(precision: Precision, arch: str) -> BlockTile:
    """128 x 128, as large maps have it."""
    threads = (16, 16) if precision == "float32" else (2, 4)
    modern = arch != "75"
    return BlockTile(precision, 128, 128, *threads, 3 if modern else 2, modern, modern)


CASES: list[tuple[Precision, int, TilePool | None, str]] = [
    ("float32", 32, None, "75"),
    ("float32", 32, POOL, "90"),
    ("float32", 4, None, "100"),
    ("float32", 1, OVERLAPPING, "90"),
    ("f16", 32, None, "75"),
    ("tf32", 32, POOL, "80"),
    ("bf16", 32, POOL, "90"),
    ("bf16", 4, OVERLAPPING, "100"),
]


@pytest.mark.parametrize(
    ("precision", "run", "pool", "arch"), CASES, ids=[f"{p}-{r}-{o.kind if o else 'map'}-{a}" for p, r, o, a in CASES]
)
def test_machine_code(precision: Precision, run: int, pool: TilePool | None, arch: str) -> None:
    switch = "i8" if pool is OVERLAPPING else ""
    structure = ConvStructure(
        large(precision, arch), run, vector=pool is None, before=BIAS_RELU, pool=pool, switch=switch
    )
    made = cubin(conv_kernel(structure), arch)
    assert (made.resources.spills, made.resources.stack) == (0, 0)
    code = sass.instructions(made.code)
    assert sass.local_accesses(code) == 0
    loop = sass.inner_loop(code)
    if precision == "float32":
        assert sass.uses(loop, "FFMA") >= 256
        assert sass.maths(loop) >= 0.85 * len(loop)
    else:
        assert sass.uses(loop, "HMMA") >= 16
    if arch != "75":
        assert sass.uses(code, "LDGSTS") > 0


@pytest.mark.parametrize(
    ("precision", "arch", "run", "pool"),
    [("float32", "90", 32, None), ("tf32", "80", 4, None), ("f16", "75", 32, None), ("bf16", "100", 32, POOL)],
)
def test_pointwise(precision: Precision, arch: str, run: int, pool: TilePool | None) -> None:
    tile = replace(large(precision, arch), n_major=pool is None)
    structure = ConvStructure(tile, run, vector=pool is None, before=BIAS_RELU, pool=pool, pointwise=True)
    made = cubin(conv_kernel(structure), arch)
    assert (made.resources.spills, made.resources.stack) == (0, 0)
    code = sass.instructions(made.code)
    loop = sass.inner_loop(code)
    if precision == "float32":
        assert sass.maths(loop) >= 0.85 * len(loop)
    else:
        assert sass.uses(loop, "HMMA") >= 16
    if tile.n_major and arch != "75":
        assert sass.uses(code, "LDGSTS") == sass.uses(code, "LDGSTS.E.BYPASS.128") > 0


@pytest.mark.parametrize("pointwise", [False, True])
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_products_of_warp_groups(precision: Precision, pointwise: bool) -> None:
    tile = BlockTile(precision, 128, 128, 2, 1, 3, groups=True)
    structure = ConvStructure(tile, 32, before=BIAS_RELU, pool=POOL, last=True, pointwise=pointwise)
    made = cubin(conv_kernel(structure), "90a")
    assert (made.resources.spills, made.resources.stack) == (0, 0)
    loop = sass.inner_loop(sass.instructions(made.code))
    assert sass.uses(loop, "HGMMA") == 4
    assert sass.uses(loop, "LDGSTS.128") >= 4


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_channels_last(precision: Precision) -> None:
    structure = ConvStructure(large(precision, "80"), 32, vector=True, before=BIAS_RELU, last=True)
    made = cubin(conv_kernel(structure), "80")
    assert (made.resources.spills, made.resources.stack) == (0, 0)
    assert sass.uses(sass.instructions(made.code), "HMMA") > 0
    packing = cubin(channels_last_kernel(precision, 256), "80").resources
    assert (packing.spills, packing.stack) == (0, 0)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_split_sums(precision: Precision) -> None:
    whole = ConvStructure(large(precision, "80"), 32, before=BIAS_RELU, pool=OVERLAPPING, switch="i8")
    lines = ConvStructure(replace(large(precision, "80"), n_major=True), 32, vector=True, pointwise=True)
    for structure, role in ((whole, "parts"), (whole, "rest"), (lines, "parts")):
        resources = cubin(conv_kernel(replace(structure, role=cast(Role, role))), "80").resources
        assert (resources.spills, resources.stack) == (0, 0)


def test_packing() -> None:
    for run, form in ((1, "float32"), (4, "tf32"), (32, "bf16")):
        resources = cubin(pack_kernel(run, cast(Precision, form), 128), "80").resources
        assert (resources.spills, resources.stack) == (0, 0)
