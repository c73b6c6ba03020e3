"""The example family on the cuda backend: all its graphs, and all kernels that they take.

python -m tests.backends.cuda.family             every kernel for every architecture: registers, stack, spills
python -m tests.backends.cuda.family 80 tf32     those of one architecture, in one precision
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

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


def all_kernels(arch: str, precision: str = "float32") -> dict[str, tuple[Kernel, str]]:
    """The kernels of the whole family by their keys, and the first net that takes each."""
    found: dict[str, tuple[Kernel, str]] = {}
    options = Options(precision=precision)
    for case in CASES:
        for name, graph in graphs(case, options):
            for kernel in kernels(graph, arch, options):
                found.setdefault(kernel.key, (kernel, f"{case.name} {name}"))
    return found


def _resources(source: str, arguments: str, threads: int, shared: int, bounds: int, key: str, arch: str) -> str:
    """What is wrong with a kernel's machine code, or nothing."""
    kernel = Kernel(key, lambda: source, arguments, threads, shared, bounds)
    made = toolchain.cubin(kernel, arch).resources
    return f"{made}" if made.stack or made.spills else ""


def main() -> int:
    archs = [a for a in sys.argv[1:] if a in ARCHITECTURES] or ARCHITECTURES
    precisions = [p for p in sys.argv[1:] if p in PRECISIONS] or PRECISIONS
    faults = 0
    with ProcessPoolExecutor() as pool:
        for arch in archs:
            for precision in precisions:
                start, found = time.monotonic(), all_kernels(arch, precision)
                given = [
                    (k.source(), k.arguments, k.threads, k.shared, k.blocks_per_sm, k.key, arch)
                    for k, _ in found.values()
                ]
                told = list(pool.map(_resources, *zip(*given, strict=True)))
                bad = [(where, key, text) for (key, (_, where)), text in zip(found.items(), told, strict=True) if text]
                for where, key, text in bad:
                    print(f"  {where}: {key[:100]}: {text}")
                faults += len(bad)
                print(f"sm_{arch} {precision}: {len(found)} kernels, {len(bad)} with stack or spills, "
                      f"{time.monotonic() - start:.0f} s", flush=True)  # fmt: skip
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
