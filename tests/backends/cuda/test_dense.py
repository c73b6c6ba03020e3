"""Kernels of matrix products as machine code: no spills, and the instructions that they are for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from netlang.backends.common.epilogue import EpilogueStep
from netlang.backends.cuda import toolchain
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.product_tiles import group_tiles, tiles
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.factor_pack import FactorPack
from netlang.backends.cuda.tiles.gemm import Gemm
from netlang.backends.cuda.tiles.matrix_copies import Kind
from netlang.backends.cuda.tiles.plain_product import PlainProduct
from netlang.backends.cuda.tiles.split_sum import SplitSum
from netlang.backends.cuda.tiles.thin import Thin
from netlang.backends.cuda.tiles.thin_product import ThinProduct
from tests.backends.cuda import needs, sass

pytestmark = needs.compiler

BIAS_RELU = (EpilogueStep("channel", "add"), EpilogueStep("apply", "relu"))
RESIDUAL = EpilogueStep("tensor", "add")
LARGEST: list[tuple[str, str, Kind, Kind]] = [
    ("float32", "75", "wide", "wide"),
    ("float32", "80", "columns", "columns"),
    ("float32", "90", "wide", "wide"),
    ("float32", "100", "rows", "rows"),
    ("float32", "90", "wide", "lines"),
    ("tf32", "80", "wide", "columns"),
    ("tf32", "80", "wide", "lines"),
    ("tf32", "90", "wide", "wide"),
    ("bf16", "80", "rows", "rows"),
    ("bf16", "90", "wide", "columns"),
    ("bf16", "100", "columns", "lines"),
    ("f16", "75", "wide", "lines"),
    ("f16", "100", "columns", "wide"),
]


def compiled(kernel: Kernel, arch: str) -> toolchain.Cubin:
    made = toolchain.cubin(kernel, arch)
    assert (made.resources.stack, made.resources.spills, made.resources.shared) == (0, 0, 0), made.resources
    return made


@pytest.mark.parametrize(("precision", "arch", "a", "b"), LARGEST)
def test_the_largest_tile_stays_in_registers_and_multiplies(precision: str, arch: str, a: Kind, b: Kind) -> None:
    tile = tiles(CudaTarget(arch), precision)[0]
    assert (tile.rows, tile.columns) == (128, 128)
    assert tile.shared <= (64 if arch == "75" else 99) * 1024
    made = compiled(Gemm(replace(tile, n_major=b == "lines"), a, b, 4, BIAS_RELU).kernel, arch)
    code = sass.instructions(made.code)
    loop = Counter(i.name for i in sass.inner_loop(code))
    if precision == "float32":
        assert loop["FFMA"] == 256 and sum(loop.values()) < 290, loop
    else:
        assert loop["HMMA"] >= 16 and not loop["FFMA"], loop
    copies = {i.name for i in code} & {"LDGSTS"}
    assert bool(copies) == (arch != "75")


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_every_other_tile_compiles_too(precision: str) -> None:
    for tile in tiles(CudaTarget("90"), precision)[1:]:
        compiled(Gemm(tile, "wide", "wide", 4, (), True).kernel, "90")
        compiled(Gemm(replace(tile, n_major=True), "wide", "lines", 4, (*BIAS_RELU, RESIDUAL)).kernel, "90")


@pytest.mark.parametrize("arch", ["75", "90"])
def test_thin_products_load_sixteen_bytes_at_a_time(arch: str) -> None:
    for thin in (Thin(1, True, 4, 8, 8), Thin(4, True, 4, 8, 2), Thin(4, False, 4, 8, 8, 1)):
        made = compiled(ThinProduct(thin, BIAS_RELU).kernel, arch)
        code = sass.instructions(made.code)
        assert sum(i.opcode.startswith("LDG.E.128") for i in code) >= 4
        assert not any(i.opcode.startswith("BAR") for i in sass.inner_loop(code))


@pytest.mark.parametrize("arch", ["75", "100"])
def test_kernels_around_the_tiles(arch: str) -> None:
    compiled(SplitSum(4, BIAS_RELU).kernel, arch)
    compiled(PlainProduct("f64", 2, 256).kernel, arch)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_products_by_warp_groups(precision: str) -> None:
    tile = group_tiles(CudaTarget("90a"), precision)[0]
    assert (tile.rows, tile.columns) == (128, 128)
    made = compiled(Gemm(tile, "wide", "wide", 4, BIAS_RELU).kernel, "90a")
    loop = Counter(i.name for i in sass.inner_loop(sass.instructions(made.code)))
    assert loop["HGMMA"] == 4 and sum(loop.values()) < 128, loop
    compiled(FactorPack(tile.precision, True).kernel, "90a")
