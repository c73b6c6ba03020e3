"""The kernels of Winograd's convolution as machine code: all of it in registers, loads and stores as wide as they are
meant to be; and when the model of costs takes them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from netlang import NetError
from netlang.backends.base import Options
from netlang.backends.common.epilogue import EpilogueStep
from netlang.backends.common.winograd_choice import MOST_ERROR
from netlang.backends.cuda import Cuda, driver
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.device import Device
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.kernels import winograd_gradient_plan, winograd_plan, winograd_weight_grad
from netlang.backends.cuda.kernels.winograd_plan import WinogradPlan
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.winograd_input import WinogradInput
from netlang.backends.cuda.tiles.winograd_output import output_kernel
from netlang.backends.cuda.tiles.winograd_structure import PatchPool, WinogradOutput
from netlang.backends.cuda.tiles.winograd_weight_gradient import WinogradWeightGradient
from netlang.backends.cuda.tiles.winograd_weights import weights_kernel
from netlang.backends.cuda.toolchain import cubin
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, sym
from netlang.ir.graph import Graph
from netlang.ir.types import DType, TensorType
from netlang.passes.manager import PassManager
from tests.backends.compared import B, assert_same, feed_of, graph_of, inputs_like
from tests.backends.cuda import sass
from tests.backends.cuda.needs import compiler

RESIDUAL = (EpilogueStep("channel", "add"), EpilogueStep("tensor", "add"), EpilogueStep("apply", "relu"))
CASES: list[tuple[str, Kernel, str, dict[str, int]]] = [
    ("weights", weights_kernel(4, 128), "75", {"LDG": 9, "STG": 36}),
    ("input", WinogradInput(4, 128).kernel, "80", {"LDG": 36, "STG": 36}),
    ("input", WinogradInput(2, 128).kernel, "100", {"LDG": 16, "STG": 16}),
    ("weight gradient", WinogradWeightGradient(4, 128, False).kernel, "80", {"STG": 9}),
    ("map", output_kernel(WinogradOutput(4, 128, True, RESIDUAL, tensors=("f32",))), "90", {"STG.128": 4}),
    (
        "pool",
        output_kernel(WinogradOutput(4, 128, before=RESIDUAL[::2], pool=PatchPool("switch", (2, 2)), switch="i8")),
        "75",
        {"STG": 8, "STG.U8": 4},
    ),
]


@compiler
@pytest.mark.parametrize(
    ("kernel", "arch", "counts"), [case[1:] for case in CASES], ids=[f"{name}-{arch}" for name, _, arch, _ in CASES]
)
def test_machine_code(kernel: Kernel, arch: str, counts: dict[str, int]) -> None:
    made = cubin(kernel, arch)
    assert (made.resources.spills, made.resources.stack) == (0, 0)
    code = sass.instructions(made.code)
    assert sass.local_accesses(code) == 0
    assert {opcode: sass.uses(code, opcode) for opcode in counts} == counts


# ---- when it is taken


def taken(
    images: Dim, channels: int, size: int, options: Options | None = None, sizes: Mapping[str, int] | None = None
) -> set[str]:
    """The transforms that a layer with as many output channels is carried out by on a large GPU."""
    b = Builder()
    x = b.input("x", TensorType(DType.F32, (images, channels, size, size)))
    w = b.param("w", TensorType(DType.F32, (channels, channels, 3, 3)), "weight", ("constant", 0.0))
    y = b.op("conv", x, w, stride=(1, 1), pad=((1, 1), (1, 1)), dilation=(1, 1), groups=1, flip=False)
    graph = Graph("g", (x,), (w,), (("y", y),))
    _, steps = lowered(graph, CudaTarget("90", 132, 227 * 1024, 3.35e12), options or Options())
    launches = [step for own in steps.values() for step in own if isinstance(step, Launch)]
    keys = [launch.kernel.key.split(":") for launch in launches if launch.is_taken(sizes or {})]
    return {f"F({key[1]}, 3)" for key in keys if key[0] == "winograd_input"}


def test_layers_with_enough_products_for_their_transforms() -> None:
    assert taken(64, 256, 28) == taken(1, 256, 56) == {"F(4, 3)"}
    assert taken(1, 512, 14) == {"F(2, 3)"}, "weights are most of what is read"
    assert not taken(1, 512, 7)
    assert not taken(1, 16, 16)
    assert not taken(64, 8, 14)
    assert taken(1, 3000, 14) == {"F(2, 3)"}, "too many channels for the rounding of F(4, 3)"


def test_an_open_number_of_images() -> None:
    assert taken(sym("N"), 512, 7, sizes={"N": 64}) == {"F(4, 3)"}
    assert not taken(sym("N"), 512, 7, sizes={"N": 1})


def test_exact_turns_it_off() -> None:
    assert not taken(64, 256, 28, Options(exact=True))


# ---- on a GPU


def computed(device: Device, images: int, size: int) -> None:
    """A convolution with what follows it and both gradients, within what the transforms may round."""
    random = np.random.default_rng(0)
    shapes = ((images, 48, size, size + 3), (72, 48, 3, 3), (images, 72, size, size + 3))
    arrays = [random.standard_normal(shape, np.float32) for shape in shapes]
    x, w, dy = inputs = inputs_like(arrays)
    attrs = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1, "flip": False}
    y = B.op("relu", B.add(B.op("conv", x, w, **attrs), dy))
    pooled = B.op("max_pool", y, kernel=(2, 2), stride=(2, 2), pad=((0, 0), (0, 0)), dilation=(1, 1))
    dx = B.op("conv_data_grad", dy, w, **attrs, size=shapes[0][2:])
    graph = graph_of(inputs, pooled, dx, B.op("conv_weight_grad", x, dy, **attrs, kernel=(3, 3)))
    backend = Cuda(device=device)
    made = backend.compile(PassManager().run(graph, backend.passes))
    keys = {step.kernel.key.split(":")[0] for step in made.steps}
    assert {"winograd_output", "winograd_weight_gradient"} <= keys
    wanted = Reference().compile(graph).run(feed_of(arrays), {})
    assert_same(made.run(feed_of(arrays), {}), wanted, MOST_ERROR)


@pytest.mark.gpu
@pytest.mark.parametrize("m", [2, 4])
def test_what_a_gpu_computes(m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once and in rounds."""
    try:
        gpu = driver.device(0)
    except NetError as fault:
        pytest.skip(fault.diagnostics[0].message)
    monkeypatch.setattr(winograd_plan, "SIZES", (m,))
    monkeypatch.setattr(WinogradPlan, "seconds", lambda *_: 0.0)
    monkeypatch.setattr(winograd_weight_grad, "direct_seconds", lambda *_: 1e9)
    computed(gpu, 4, 53)
    monkeypatch.setattr(winograd_plan, "ROUND_BYTES", 20 << 20)
    monkeypatch.setattr(winograd_gradient_plan, "ROUND_BYTES", 20 << 20)
    computed(gpu, 6, 53)
