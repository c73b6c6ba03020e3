"""The kernels of convolutions' gradients and of irregular convolutions as machine code."""

from __future__ import annotations

import pytest

from netlang.backends.cuda import toolchain
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles.local_conv import LocalConv, local_conv
from netlang.backends.cuda.tiles.local_conv_gradients import local_data_gradient, local_weight_gradient
from netlang.backends.cuda.tiles.plain_conv import plain_conv
from tests.backends.cuda import needs

pytestmark = needs.compiler
ARCHITECTURES = ("75", "80", "90", "100")
PLAIN = [
    plain_conv(op, dtype, False, 128)
    for op in ("conv", "conv_data_grad", "conv_weight_grad")
    for dtype in ("f32", "f64")
]
LOCAL = [
    made(LocalConv(dtype, (1, 3, 3), (1, 2, 1), 256))
    for made in (local_conv, local_data_gradient, local_weight_gradient)
    for dtype in ("f32", "f64")
]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kernels", [PLAIN, LOCAL], ids=["plain", "local"])
def test_nothing_spills(kernels: list[Kernel], architecture: str) -> None:
    for kernel in kernels:
        made = toolchain.cubin(kernel, architecture).resources
        assert made.stack == made.spills == 0, (kernel.key, made)
