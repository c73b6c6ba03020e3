"""Our kernels for the cells: which there are, and their compilation, each once whatever nets share it. No GPU is used.

python -m benchmarks.gpu.kernels list FOLDER TARGET "resnet50 inference 1 tf32" ...    writes their texts to a file
python -m benchmarks.gpu.kernels build FOLDER TARGET         compiles what is in all of them, the first cells' first

TARGET is a GPU as lowerings are told of it, in JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.gpu.cells import Cell, cells
from benchmarks.networks import load_net
from netlang.backends.cuda import build, toolchain
from netlang.backends.cuda.ahead import kernels_of
from netlang.backends.cuda.backend import Cuda
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.target import CudaTarget
from netlang.driver import options, stages
from netlang.ir.graph import Graph
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step

Listed = dict[Cell, list[Kernel]]


def listed(folder: Path) -> Listed:
    """What `list` has written."""
    found: Listed = {}
    for path in sorted(folder.glob("*.json")):
        said = json.loads(path.read_text(encoding="utf-8"))
        kernels = {key: _kernel(**fields) for key, fields in said["kernels"].items()}
        found |= {Cell.named(name): [kernels[key] for key in keys] for name, keys in said["cells"].items()}
    return found


def compiled(found: Listed, arch: str) -> set[Cell]:
    """The cells whose kernels are all on disk."""
    kept = {kernel: toolchain.is_kept(kernel, arch) for kernels in found.values() for kernel in kernels}
    return {cell for cell, kernels in found.items() if all(kept[kernel] for kernel in kernels)}


def write(folder: Path, target: CudaTarget, wanted: Iterable[Cell]) -> None:
    """Find out which kernels the cells take, and leave their texts in a file of the folder."""
    kernels: dict[str, dict[str, Any]] = {}
    by_cell: dict[str, list[str]] = {}
    for cell in wanted:
        wished = options(precision=cell.precision, batch=cell.batch)
        own = by_cell[cell.name] = []
        for kernel in kernels_of(_graph(cell.net, cell.mode), target, wished):
            fields = {**asdict(toolchain.identity(kernel)), "key": kernel.key, "shared": kernel.shared}
            fields["source"] = kernel.source()
            own.append(sha256(json.dumps(fields).encode()).hexdigest())
            kernels[own[-1]] = fields
    name = sha256(" ".join(by_cell).encode()).hexdigest()[:16]
    text = json.dumps({"kernels": kernels, "cells": by_cell})
    (folder / f"{name}.part").write_text(text, encoding="utf-8")
    (folder / f"{name}.part").rename(folder / f"{name}.json")


@cache
def _graph(net: str, mode: str) -> Graph:
    """The graph that a net is carried out as, whatever the batch and the precision."""
    module, train = load_net(net), mode == "training"
    graph = training_step(module.train) if train else module.net
    return PassManager().run(graph, stages(Cuda(), train))


def _kernel(source: str, **fields: Any) -> Kernel:
    return Kernel(source=lambda: source, **fields)


def compile_all(folder: Path, arch: str) -> str:
    """Compile for one batch and mode after the other, so that an end before the end leaves whole cells. Returns the
    last fault: what a kernel fails with is its cells' alone."""
    found, fault = listed(folder), ""
    order = list(dict.fromkeys((c.mode, c.batch, c.precision) for c in cells()))
    for mode, batch, precision in order:
        own = [c for c in found if (c.mode, c.batch, c.precision) == (mode, batch, precision)]
        wanted = list(dict.fromkeys(kernel for cell in own for kernel in found[cell]))
        try:
            build.build(wanted, arch)
        except RuntimeError:
            fault = _one_by_one(wanted, arch)
    return fault


def _one_by_one(wanted: Iterable[Kernel], arch: str) -> str:
    fault = ""
    for kernel in wanted:
        try:
            toolchain.cubin(kernel, arch)
        except RuntimeError as why:
            fault = str(why).replace("\n", " ")
    return fault


def main() -> int:
    what, folder, said, *names = sys.argv[1:]
    target = CudaTarget(**json.loads(said))
    if what == "list":
        write(Path(folder), target, map(Cell.named, names))
        return 0
    fault = compile_all(Path(folder), target.arch)
    if fault:
        print(fault, file=sys.stderr)
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main())
