"""Every net of the examples at its real size, by hand: `python -m tests.interchange.exporting.family [PART OF A NAME]`.

Each is written to a file, found right by ONNX's checker, carried out by onnxruntime on one random input with random
weights, and compared with the reference backend: its outputs and the values of all names in its body. The last column
is the largest difference, as a share of the largest number of the same tensor.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from benchmarks.family.records import EXAMPLES
from netlang.backends.reference import evaluate
from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.interchange.exporting.api import OPSET
from netlang.interchange.exporting.translation import Translation
from netlang.interchange.exporting.writing import write
from netlang.ir.module import Module
from netlang.runtime.samples import initial_params
from tests.examples.shrunken import CASES, chosen, whole
from tests.interchange.exporting.running import Array, carried_out, drawn, seen

ALLOWED = 1e-4
OTHER_SIZE = 16
"""What a symbolic size is for which no record says one."""


@dataclass(frozen=True)
class Subject:
    """A net, and sizes for its symbolic dims."""

    name: str
    module: Module
    net: str
    sizes: dict[str, int]


def subjects(part: str) -> Iterator[Subject]:
    """All nets that records describe, then those of all other files and the other nets of their files."""
    done: set[tuple[Path, str]] = set()
    for case in CASES:
        module = whole(case)
        net = chosen(module, case).name
        done.add((case.family.path(case.net.file).resolve(), net))
        if part in case.name:
            yield Subject(case.name, module, net, dict(case.net.sizes))
    for path in sorted(EXAMPLES.rglob("*.net")):
        name = str(path.relative_to(EXAMPLES))
        try:
            module = load(path)
        except NetError:
            continue  # a file of blocks for others
        for net in module.nets:
            if (path.resolve(), net) not in done and part in f"{name}:{net}":
                yield Subject(f"{name}:{net}", module, net, {})


def difference(got: Array, wanted: Array) -> float:
    """The largest difference of two tensors, as a share of the largest number."""
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return np.inf
    a, b = (x.astype(np.float64) for x in (got, wanted))
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return np.inf
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    return float(np.abs(a - b).max(initial=0.0) / max(np.abs(b).max(initial=0.0), 1e-30)) if np.any(a != b) else 0.0


def tried(subject: Subject, folder: Path) -> tuple[int, int, int, float]:
    """(operators, bytes, values compared, largest difference)."""
    net = seen(subject.module, subject.module.nets[subject.net])
    sizes = {name: subject.sizes.get(name, 1 if name == "N" else OTHER_SIZE) for name in net.symbols}
    inputs, params = drawn(net, sizes), dict(initial_params(net))
    translation = Translation(net, subject.module.bound[net.name], params, OPSET)
    model = translation.model()
    path, count = folder / "net.onnx", len(model.graph.node)
    size = write(model, translation.weights, path)
    del model
    onnx.checker.check_model(str(path), full_check=True)
    got = carried_out(str(path), inputs)
    wanted = evaluate(net, inputs, params)[0]
    return count, size, len(wanted), max(difference(got[name], array) for name, array in wanted.items())


def main(part: str = "") -> int:
    """Prints a line for each; the number of those that differ."""
    failed = total = 0
    print(f"{'net':52s} {'operators':>9s} {'MB':>7s} {'values':>6s} {'seconds':>7s}  difference")
    for subject in subjects(part):
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                count, size, values, found = tried(subject, Path(folder))
                text = f"{count:9,} {size / 1e6:7.1f} {values:6d} {time.perf_counter() - start:7.1f}  {found:.1e}"
            except Exception as fault:  # whatever it is, the other nets are tried too
                text, found = f"{type(fault).__name__}: {fault}".splitlines()[0], np.inf
        failed, total = failed + (not found <= ALLOWED), total + 1
        print(f"{subject.name:52s} {text}{'' if found <= ALLOWED else '  <- differs'}", flush=True)
    print(f"{total - failed} of {total} nets compute the same")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(*sys.argv[1:2]), 1))
