"""Kernels of recurrent steps as machine code: everything that follows a product stays in registers."""

from __future__ import annotations

import pytest

from netlang.backends.cuda import Cuda, toolchain
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.target import CudaTarget
from netlang.passes import training_pipeline
from netlang.passes.autodiff import differentiate
from netlang.passes.manager import PassManager
from tests.backends.cuda import needs, sass
from tests.backends.recurrent import LAYERS, net

pytestmark = needs.compiler


def kernels(layer: str, arch: str) -> dict[str, Kernel]:
    """All that a layer of 64 units and its gradient may launch for a step."""
    graph = Cuda().prepare(PassManager().run(differentiate(net(LAYERS[layer], 64)), training_pipeline()))
    _, steps = lowered(graph, CudaTarget(arch))
    inside = [step.kernel for made in steps.values() for step in made if step.loops]
    return {kernel.key: kernel for kernel in inside if kernel.key.startswith("cell:")}


@pytest.mark.parametrize(("layer", "arch"), [("lstm", "90"), ("gru", "75")])
def test_steps_of_layers_do_not_spill(layer: str, arch: str) -> None:
    """Tiles of the middle size, thin sums of either order, and what has no product."""
    found = [k for k in kernels(layer, arch).values() if k.threads != 256 or "Thin" in k.key]
    tiled = [k for k in found if "rows=64, columns=64" in k.key]
    others = [k for k in found if "TiledSums" not in k.key]
    assert len(tiled) >= 2 and len(others) >= 4
    for kernel in (*tiled, *others):
        made = toolchain.cubin(kernel, arch)
        assert (made.resources.stack, made.resources.spills) == (0, 0), (kernel.key, made.resources)
        if "None" not in kernel.key:
            assert any(i.name == "FFMA" for i in sass.instructions(made.code))
