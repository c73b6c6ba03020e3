"""The kernels of convolutions' gradients and of irregular convolutions as machine code: all of it in registers, and the
instructions that they are for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from netlang.backends.cuda import toolchain
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles.block_tile import BlockTile
from netlang.backends.cuda.tiles.depthwise import Depthwise, Phase
from netlang.backends.cuda.tiles.depthwise_gradient import DepthwiseGradient
from netlang.backends.cuda.tiles.local_conv import LocalConv, local_conv
from netlang.backends.cuda.tiles.local_conv_gradients import local_data_gradient, local_weight_gradient
from netlang.backends.cuda.tiles.pixel_copies import Window
from netlang.backends.cuda.tiles.plain_conv import plain_conv
from netlang.backends.cuda.tiles.weight_gradient import WeightGradient
from tests.backends.cuda import needs, sass

pytestmark = needs.compiler
OPS = ("conv", "conv_data_grad", "conv_weight_grad")
PLAIN = [*(plain_conv(op, "f32", False, 128) for op in OPS), plain_conv("conv_weight_grad", "f64", True, 128)]
UNSHARED = [
    made(LocalConv("f32", (1, 3, 3), (1, 2, 1), 256))
    for made in (local_conv, local_data_gradient, local_weight_gradient)
]


def compiled(kernel: Kernel, architecture: str) -> Sequence[sass.Instruction]:
    """The machine code of a kernel that keeps everything in registers."""
    made = toolchain.cubin(kernel, architecture)
    assert (made.resources.stack, made.resources.spills, made.resources.shared) == (0, 0, 0), made.resources
    return sass.instructions(made.code)


@pytest.mark.parametrize("architecture", ["75", "100"])
@pytest.mark.parametrize("kernels", [PLAIN, UNSHARED], ids=["plain", "unshared"])
def test_any_geometry(kernels: list[Kernel], architecture: str) -> None:
    for kernel in kernels:
        compiled(kernel, architecture)


@pytest.mark.parametrize("architecture", ["75", "80", "90", "100"])
def test_depthwise(architecture: str) -> None:
    """A cell of two by four results is 72 products, which read 24 elements; the gradient reads its eight of dy too."""
    phase = Phase((0, 0), (3, 3), (1, 1), (1, 1), 0, (3, 1))
    forward = compiled(Depthwise((phase,), (2, 4), (1, 1), (1, 1), True, (), (), 128).code(), architecture)
    assert sass.counts(forward)["FFMA"] >= 72
    assert sass.uses(forward, "LDG") == 9 + 24
    gradient = compiled(DepthwiseGradient((3, 3), 3, (1, 1), (1, 1), (2, 4), False, 128).code(), architecture)
    assert sass.maths(sass.inner_loop(gradient)) == 72
    assert sass.uses(gradient, "LDG") == 8 + 24


@pytest.mark.parametrize(
    ("tile", "architecture"),
    [
        (BlockTile("float32", 64, 128, 8, 16, 2, asynchronous=False, deep=False), "75"),
        (BlockTile("float32", 128, 128, 16, 16, 3), "90"),
        (BlockTile("tf32", 128, 128, 2, 4, 3), "80"),
        (BlockTile("bf16", 128, 128, 2, 4, 3), "100"),
        (BlockTile("f16", 64, 128, 1, 4, 2, asynchronous=False, deep=False), "75"),
    ],
    ids=str,
)
def test_weight_gradient(tile: BlockTile, architecture: str) -> None:
    code = compiled(WeightGradient(tile, Window((3, 3), (1, 1), False), True).kernel, architecture)
    loop = sass.inner_loop(code)
    if tile.precision == "float32":
        assert sass.uses(loop, "FFMA") == 256 and len(loop) < 290
    else:
        assert sass.uses(loop, "HMMA") >= 16 and not sass.uses(code, "FFMA")
    assert bool(sass.uses(code, "LDGSTS")) == tile.asynchronous


def test_weight_gradient_of_some_pixels() -> None:
    code = compiled(WeightGradient(BlockTile("tf32", 64, 64, 2, 2, 3), None, True, True).kernel, "80")
    assert sass.uses(code, "LDGSTS.E.BYPASS.128") and sass.uses(code, "LDGSTS")
