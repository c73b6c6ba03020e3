"""One net from a file called by many threads at a time: are all answers right, and does memory stay as it is?

    python -m benchmarks.soak model.netc [--threads 8] [--calls 10000]

Each thread has a picture of its own, batches of one to three. Every answer is compared, bit by bit, with what the same
input gave before the threads began. Each thread calls a tenth as often first, so that everybody has the memory that it
needs; what the process grows by after that is printed. Exit status 1 where an answer was wrong, or where it has grown
by more than `ALLOWED`.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import netlang
from netlang.runtime.arrays import Array
from netlang.runtime.ports import dtype_of

ALLOWED = 512 << 10
"""Bytes: allocators of C round up, and hand pages back when they like."""
USUAL_SIZE = 16
"""Of dims that are not the batch and left open."""


class Soaked(NamedTuple):
    """How many answers were wrong, by how many bytes the resident set has grown, and how long the calls took."""

    wrong: int
    grown: int
    seconds: float


def soak(net: Any, inputs: Sequence[dict[str, Array]], calls: int) -> Soaked:
    """As many threads as there are inputs, each calling with its own."""
    wanted = [_answer(net, given) for given in inputs]
    wrong = [0] * len(inputs)
    together = threading.Barrier(len(inputs) + 1)

    def call(i: int, times: int) -> None:
        for _ in range(times):
            found = _answer(net, inputs[i])
            wrong[i] += not all(np.array_equal(found[name], wanted[i][name]) for name in wanted[i])

    def work(i: int) -> None:
        try:
            call(i, max(1, calls // 10))
            together.wait()
            together.wait()
            call(i, calls)
            together.wait()
            together.wait()
        except BaseException:  # the others do not wait for one that is gone
            together.abort()
            raise

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    together.wait()
    before, start = resident(), time.perf_counter()
    together.wait()
    together.wait()
    took, grown = time.perf_counter() - start, resident() - before
    together.wait()
    for thread in threads:
        thread.join()
    return Soaked(sum(wrong), grown, took)


def _answer(net: Any, given: dict[str, Array]) -> dict[str, Array]:
    found = net(**given)
    return found if isinstance(found, dict) else {"": found}


def resident() -> int:
    """Bytes of this process's resident set."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def inputs_for(net: Any, batch: int, seed: int) -> dict[str, Array]:
    """Random inputs; whole numbers are 0 or 1, which every table of words has."""
    draw = np.random.default_rng(seed)
    found = {}
    for name, text in net.inputs.items():
        dtype, _, dims = text[:-1].partition("[")
        words = dims.split(", ") if dims else []
        shape = [int(w) if w.isdigit() else USUAL_SIZE if i else batch for i, w in enumerate(words)]
        kind = dtype_of(dtype)
        found[name] = (draw.integers(0, 2, shape) if kind.kind in "iub" else draw.normal(size=shape)).astype(kind)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("file", type=Path, metavar="MODEL.netc")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--calls", type=int, default=10_000, help="of each thread")
    options = parser.parse_args()
    net = netlang.load(options.file)
    inputs = [inputs_for(net, 1 + i % 3, i) for i in range(options.threads)]
    found = soak(net, inputs, options.calls)
    many = options.threads * options.calls
    print(f"{many:,} calls by {options.threads} threads in {found.seconds:.1f} s, {found.wrong:,} wrong answers")
    print(f"the process has grown by {found.grown:,} bytes to {resident():,}")
    sys.exit(found.wrong > 0 or found.grown > ALLOWED)


if __name__ == "__main__":
    main()
