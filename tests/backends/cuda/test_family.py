"""The example family on the cuda backend: it compiles without a GPU, and small copies compute what the reference does.

`python -m tests.backends.cuda.family` compiles all kernels of all nets for all architectures.
"""

from __future__ import annotations

import numpy as np
import pytest

import netlang.ops  # noqa: F401
from netlang.backends.base import Options
from netlang.backends.cuda import Cuda, toolchain
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.reference import evaluate
from netlang.ir.graph import Graph
from netlang.passes import inference_pipeline
from netlang.passes.manager import PassManager
from tests.backends.compared import Array
from tests.backends.cuda import needs
from tests.backends.cuda.family import graphs, kernels
from tests.backends.cuda.node_by_node import WATCHED
from tests.backends.cuda.node_by_node import compare as node_by_node
from tests.examples.shrunken import CASES, Case, chosen, data_for, distinct, gradient_graph, losses, small

ARCHITECTURES = ("75", "80", "90", "100")
LENET = next(case for case in CASES if case.name == "lenet5/../lenet5.net")
DEEP = frozenset({
    "alexnet", "zfnet", "deconvnet", "vgg", "googlenet", "resnet", "densenet", "segmentation", "features", "inpainting",
    "sparse_autoencoder",
})  # fmt: skip
"""Families whose nets are carried out node by node, each kernel once: they have the same ones many times, for which the
simulator takes minutes."""
SAMPLED = 4
"""About so many kernels of a net are compiled in the tests."""


def one_of_each() -> list[Case]:
    """The last net of every family, but for DenseNet: 121 layers take minutes, and their gradients are of kinds that
    GoogLeNet (joined channels) and ResNet (normalised ones) have."""
    return [case for name, case in {case.family.name: case for case in distinct()}.items() if name != "densenet"]


@pytest.mark.parametrize("case", one_of_each(), ids=lambda case: case.name)
def test_a_net_and_its_training_have_kernels(case: Case) -> None:
    """At full size, each for one architecture, in turn."""
    arch = ARCHITECTURES[CASES.index(case) % len(ARCHITECTURES)]
    for name, graph in graphs(case):
        assert list(kernels(graph, arch)), name


@needs.compiler
@pytest.mark.parametrize(("arch", "precision"), [("80", "tf32"), ("75", "f16"), ("90a", "bf16")])
def test_kernels_for_tensor_cores_do_not_spill(arch: str, precision: str) -> None:
    """Some of LeNet-5's: large tiles take seconds each to compile."""
    options = Options(precision=precision)
    graph = dict(graphs(LENET, options))["inference"]
    found = {kernel.key: kernel for kernel in kernels(graph, arch, options)}
    for kernel in list(found.values())[:: max(1, len(found) // SAMPLED)]:
        made = toolchain.cubin(kernel, arch).resources
        assert made.stack == made.spills == 0, kernel.key


@pytest.mark.parametrize("case", distinct(), ids=lambda case: case.name)
def test_a_small_copy_computes_what_the_reference_does(case: Case) -> None:
    compared(chosen(small(case), case).replace(updates=()), case, "outputs")


def test_a_deep_net_as_a_whole() -> None:
    """Its memory and its copies too, and how errors add up."""
    case = next(case for case in CASES if case.net.file.endswith("resnet_cifar.net"))
    graph = chosen(small(case), case).replace(updates=())
    as_a_whole(graph, *data(graph, case, 1), "outputs")


@pytest.mark.parametrize("case", one_of_each(), ids=lambda case: case.name)
def test_gradients_of_a_small_copy_are_those_of_the_reference(case: Case) -> None:
    """Of every loss of one net of each family."""
    for name, graph in losses(case):
        gradient = gradient_graph(graph)
        if gradient.outputs:
            compared(gradient, case, name, 2)


def compared(graph: Graph, case: Case, what: str, images: int = 1) -> None:
    """A graph in the simulator, for so many images at most: within 1e-4 of the largest of what the reference makes."""
    given = data(graph, case, images)
    if case.family.name in DEEP:
        assert node_by_node(graph, *given, what)
    else:
        as_a_whole(graph, *given, what)


def data(graph: Graph, case: Case, images: int) -> tuple[dict[str, Array], dict[str, Array]]:
    return data_for(graph, {**case.net.small, "N": min(case.net.small.get("N", images), images)})


def as_a_whole(graph: Graph, inputs: dict[str, Array], params: dict[str, Array], what: str) -> None:
    wanted = evaluate(graph, inputs, params)[0]
    backend = Cuda(device=Simulator(watched=WATCHED))
    prepared = PassManager().run(graph, [*inference_pipeline(), *backend.passes])
    got = backend.compile(prepared).run(inputs, params)
    largest = max((float(np.abs(a).max(initial=0)) for a in wanted.values()), default=0.0) or 1.0
    for key, value in wanted.items():
        np.testing.assert_allclose(got[key] / largest, value / largest, rtol=0, atol=1e-4, err_msg=f"{what} {key}")
