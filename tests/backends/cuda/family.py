"""The example family on the cuda backend: all its graphs, and all kernels that they take.

python -m tests.backends.cuda.family             every kernel for every architecture: registers, stack, spills
python -m tests.backends.cuda.family 80 tf32     those of some architectures, in some precisions
python -m tests.backends.cuda.family lenet5      those of some nets, by a part of their names
python -m tests.backends.cuda.family --write     all, and writes docs/cuda.md

Every net and every training of it is lowered for one sample and for many. In float32 the whole family is compiled, in
the precisions of tensor cores a net of each kind of convolution. No GPU is needed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass

from netlang.backends.base import PRECISIONS, Options
from netlang.backends.cuda import Cuda, toolchain
from netlang.backends.cuda.ahead import kernels_of
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.toolchain import Resources
from netlang.ir.graph import Graph
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from tests.backends.cuda.family_page import page, write
from tests.examples.shrunken import CASES, Case, chosen, recipes, whole

ARCHITECTURES = ("75", "80", "90", "100")
TENSOR_CORES = {"f16": ("75",), "tf32": ("80",), "bf16": ("90a", "100")}
"""In which precision a sample is compiled for which architectures, so that each kind of tensor core has its turn."""
EVERY = (*ARCHITECTURES, "90a")
SAMPLE = ("lenet5/../lenet5.net", "resnet/resnet.net:depth=50", "googlenet/googlenet.net")


@dataclass(frozen=True)
class Text:
    """A kernel as it goes from process to process: equal ones have the same code."""

    source: str
    arguments: str
    threads: int
    shared: int
    blocks_per_sm: int

    @staticmethod
    def of(kernel: Kernel) -> Text:
        return Text(kernel.source(), kernel.arguments, kernel.threads, kernel.shared, kernel.blocks_per_sm)

    def kernel(self, name: str) -> Kernel:
        return Kernel(name, lambda: self.source, self.arguments, self.threads, self.shared, self.blocks_per_sm)


@dataclass(frozen=True)
class Found:
    """A kernel of a graph ("inference", or a training's name) of a case, for an architecture."""

    case: str
    graph: str
    arch: str
    precision: str
    key: str
    text: Text


@dataclass(frozen=True)
class Made:
    """What became of a kernel. `products`: instructions of tensor cores in its PTX."""

    resources: Resources
    products: int


def graphs(case: Case, options: Options | None = None) -> Iterator[tuple[str, Graph]]:
    """The net and its training steps, prepared for the backend."""
    module, backend = whole(case), Cuda(options)
    net = chosen(module, case)
    yield "inference", PassManager().run(net, [*inference_pipeline(), *backend.passes])
    for spec in recipes(module, net):
        step = training_step(spec)
        yield spec.name or "training", PassManager().run(step, [*training_pipeline(), *backend.passes])


def kernels(graph: Graph, arch: str, options: Options | None = None) -> Iterator[Kernel]:
    """The kernels of a prepared graph's launches, for whatever sizes."""
    _, steps = lowered(graph, CudaTarget(arch), options)
    for step in (s for own in steps.values() for s in own):
        assert isinstance(step, Launch)
        yield step.kernel


def found(work: tuple[int, str, Sequence[str]]) -> list[Found]:
    """The kernels of a case in a precision, for some architectures."""
    number, precision, archs = work
    case, options = CASES[number], Options(precision=precision)
    listed = []
    for name, graph in graphs(case, options):
        for arch in archs:
            for kernel in kernels_of(graph, CudaTarget(arch), options):
                listed.append(Found(case.name, name, arch, precision, kernel.key, Text.of(kernel)))
    return listed


def made(work: tuple[Text, str, Sequence[str]]) -> list[Made]:
    """A kernel's code for some architectures. `name` is what a fault calls it."""
    text, name, archs = work
    kernel = text.kernel(name)
    outcome = []
    for arch in archs:
        ptx = toolchain.ptx(kernel, toolchain.written_for(kernel, arch)).text
        outcome.append(Made(toolchain.cubin(kernel, arch).resources, ptx.count("mma.sync") + ptx.count("wgmma.mma")))
    return outcome


def wanted(
    archs: Sequence[str], precisions: Sequence[str], names: Sequence[str] = ()
) -> list[tuple[int, str, Sequence[str]]]:
    """What is to be lowered: cases by their numbers, in which precision and for which architectures."""
    works: list[tuple[int, str, Sequence[str]]] = []
    for precision in precisions:
        usual = ARCHITECTURES if precision == "float32" else TENSOR_CORES[precision]
        chosen_archs = [arch for arch in usual if arch in archs]
        cases = [i for i, c in enumerate(CASES) if precision == "float32" or c.name in SAMPLE]
        cases = [i for i in cases if not names or any(name in CASES[i].name for name in names)]
        works += [(i, precision, chosen_archs) for i in cases if chosen_archs]
    return works


def compiled(listed: Sequence[Found], pool: Executor) -> dict[tuple[Text, str], Made]:
    """By text and architecture; whatever occurs several times is made once."""
    names: dict[Text, str] = {}
    archs: dict[Text, dict[str, None]] = {}
    for one in listed:
        names.setdefault(one.text, one.key)
        archs.setdefault(one.text, {})[one.arch] = None
    # Long texts take long; they are begun first.
    texts = sorted(names, key=lambda text: len(text.source), reverse=True)
    outcomes = pool.map(made, [(text, names[text], tuple(archs[text])) for text in texts], chunksize=4)
    pairs = zip(texts, outcomes, strict=True)
    return {(text, arch): m for text, several in pairs for arch, m in zip(archs[text], several, strict=True)}


def faults(listed: Sequence[Found], outcome: dict[tuple[Text, str], Made]) -> list[str]:
    """The kernels with a stack or spills, each once for an architecture."""
    bad: dict[tuple[Text, str], str] = {}
    for one in listed:
        taken = outcome[one.text, one.arch].resources
        if taken.stack or taken.spills:
            bad.setdefault((one.text, one.arch), f"{one.case} {one.graph} sm_{one.arch}: {taken}: {one.key[:200]}")
    return list(bad.values())


def summary(listed: Sequence[Found], outcome: dict[tuple[Text, str], Made]) -> Iterator[str]:
    """A line for each architecture and precision."""
    for precision, arch in dict.fromkeys((one.precision, one.arch) for one in listed):
        texts = {one.text for one in listed if (one.precision, one.arch) == (precision, arch)}
        taken = [outcome[text, arch] for text in texts]
        registers = max(m.resources.registers for m in taken)
        spills, stack = (sum(getattr(m.resources, name) for m in taken) for name in ("spills", "stack"))
        products = sum(m.products > 0 for m in taken)
        yield (
            f"sm_{arch:4}{precision:8}{len(texts):5} kernels, {registers} registers at most, {products} with tensor "
            f"cores, {stack} bytes of stack, {spills} of spills"
        )


def main() -> int:
    asked = [argument for argument in sys.argv[1:] if argument != "--write"]
    archs = [a for a in asked if a in EVERY] or EVERY
    precisions = [p for p in asked if p in PRECISIONS] or PRECISIONS
    names = [n for n in asked if n not in (*EVERY, *PRECISIONS)]
    start = time.monotonic()
    with ProcessPoolExecutor() as pool:
        listed = [one for several in pool.map(found, wanted(archs, precisions, names)) for one in several]
        lowered_after = time.monotonic() - start
        outcome = compiled(listed, pool)
    lines = list(summary(listed, outcome))
    print(*lines, sep="\n")
    print(f"{lowered_after:.0f} s to lower them, {time.monotonic() - start - lowered_after:.0f} s to compile them")
    bad = faults(listed, outcome)
    print(*bad, sep="\n")
    if "--write" in sys.argv:
        write(page(listed, outcome, lines))
    return 1 if bad or not listed else 0


if __name__ == "__main__":
    sys.exit(main())
