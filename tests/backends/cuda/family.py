"""The example family on the cuda backend: all its graphs, and all kernels that they take.

python -m tests.backends.cuda.family             every kernel for every architecture: registers, stack, spills
python -m tests.backends.cuda.family 80 tf32     those of one architecture, in one precision
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product, repeat

from netlang.backends.base import PRECISIONS, Options
from netlang.backends.cuda import Cuda, toolchain
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.target import CudaTarget
from netlang.ir.graph import Graph
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from tests.examples.shrunken import CASES, Case, chosen, recipes, whole

ARCHITECTURES = ("75", "80", "90", "90a", "100")


def graphs(case: Case, options: Options | None = None) -> Iterator[tuple[str, Graph]]:
    """The net and its training steps, prepared for the backend."""
    module, backend = whole(case), Cuda(options)
    net = chosen(module, case)
    yield "inference", PassManager().run(net, [*inference_pipeline(), *backend.passes])
    for spec in recipes(module, net):
        step = training_step(spec)
        yield spec.name or "training", PassManager().run(step, [*training_pipeline(), *backend.passes])


def kernels(graph: Graph, arch: str, options: Options | None = None) -> Iterator[Kernel]:
    """The kernels of a prepared graph's launches."""
    _, steps = lowered(graph, CudaTarget(arch), options)
    for step in (s for own in steps.values() for s in own):
        assert isinstance(step, Launch)
        yield step.kernel


def faults(number: int, arch: str, precision: str) -> tuple[set[str], list[str]]:
    """The keys of the kernels of a case, and those of them with a stack or spills."""
    options, case = Options(precision=precision), CASES[number]
    keys: set[str] = set()
    bad: list[str] = []
    for name, graph in graphs(case, options):
        for kernel in kernels(graph, arch, options):
            if kernel.key in keys:
                continue
            keys.add(kernel.key)
            made = toolchain.cubin(kernel, arch).resources
            if made.stack or made.spills:
                bad.append(f"{case.name} {name}: {kernel.key[:100]}: {made}")
    return keys, bad


def main() -> int:
    archs = [a for a in sys.argv[1:] if a in ARCHITECTURES] or ARCHITECTURES
    precisions = [p for p in sys.argv[1:] if p in PRECISIONS] or PRECISIONS
    wrong = 0
    with ProcessPoolExecutor() as pool:
        for arch, precision in product(archs, precisions):
            start, keys = time.monotonic(), set[str]()
            for found, bad in pool.map(faults, range(len(CASES)), repeat(arch), repeat(precision)):
                keys |= found
                wrong += len(bad)
                for text in bad:
                    print(f"  {text}", flush=True)
            print(f"sm_{arch} {precision}: {len(keys)} kernels, {time.monotonic() - start:.0f} s", flush=True)
    print(f"{wrong} of these have a stack or spills" if wrong else "none of these has a stack or spills")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
