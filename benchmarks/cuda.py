"""Time netlang on the GPU beside torch and torch.compile; the table comes last.

    python -m benchmarks.cuda               all nets, in under eight minutes
    python -m benchmarks.cuda lenet5 lstm   these

First all code is compiled, ours and torch.compile's, as many at a time as there are processors: both keep it on disk.
Then one process for each net measures its cells, alone on the GPU. Cells that there was no time for have a dash.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.gpu.cells import COMPILED, EAGER, MODES, OWN, Cell, cells
from benchmarks.networks import NETS
from netlang.diagnostics import NetError

ROOT = Path(__file__).parent.parent
LIMIT = 460.0
"""Seconds for everything."""
WARM_SHARE = 0.55
"""Of these for compiling."""
_MEASURE = (sys.executable, "-m", "benchmarks.gpu.measure")


def warm(wanted: Sequence[Cell], until: float) -> set[str]:
    """Compile for the cells, many at a time; the names of those that are done in time."""
    done: set[str] = set()

    def one(cell: Cell) -> None:
        left = until - time.time()
        if left > 5:
            command = [*_MEASURE, "--warm", cell.name]
            try:
                status = subprocess.run(command, cwd=ROOT, timeout=left, capture_output=True).returncode
            except subprocess.TimeoutExpired:
                return
            if status == 0:
                done.add(cell.name)

    with ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1)) as pool:
        list(pool.map(one, wanted))
    return done


def measured(wanted: Sequence[Cell], compiled: Iterable[str], until: float) -> dict[str, dict[str, Any]]:
    """Figures by cell; each net in a process of its own, which gets a share of the time that is left."""
    found: dict[str, dict[str, Any]] = {}
    nets = list(dict.fromkeys(c.net for c in wanted))
    for i, net in enumerate(nets):
        names = [c.name for c in wanted if c.net == net]
        share = (until - time.time()) / (len(nets) - i)
        command = [*_MEASURE, *names, "--until", str(time.time() + share), "--compiled", *compiled]
        try:
            told = subprocess.run(command, cwd=ROOT, timeout=share + 30, capture_output=True, text=True)
            lines, fault = told.stdout, told.stderr.strip().splitlines()[-1:] if told.returncode else []
        except subprocess.TimeoutExpired as late:
            lines, fault = (late.stdout or b"").decode(), ["not done in time"]
        for line in lines.splitlines():
            figures = json.loads(line)
            found[figures["cell"]] = figures
        if fault:
            print(f"{net}: {fault[0]}", file=sys.stderr, flush=True)
    return found


def table(found: Mapping[str, Mapping[str, Any]], wanted: Sequence[Cell]) -> str:
    """The figures as a table in Markdown for each mode, and the ratios that are aimed at."""
    lines: list[str] = []
    for mode in MODES:
        lines += [f"\n### {mode.capitalize()}, milliseconds by the device's clock, medians\n"]
        lines += [
            "| net | batch | precision | netlang | torch | torch.compile | to torch | to torch.compile | memory |"
        ]
        lines += ["|---|--:|---|--:|--:|--:|--:|--:|--:|"]
        lines += [_row(c, found.get(c.name, {})) for c in sorted(wanted, key=_order) if c.mode == mode]
    return "\n".join([*lines, "", *_summary(found)])


def _order(cell: Cell) -> tuple[int, int, str]:
    return list(NETS).index(cell.net), cell.batch, cell.precision


def _row(cell: Cell, figures: Mapping[str, Any]) -> str:
    medians = figures.get("medians", {})
    times = [f"{medians[n] * 1e3:.4g}" if n in medians else "–" for n in (OWN, EAGER, COMPILED)]
    ratios = [f"{r:.2f}" if (r := _ratio(figures, n)) else "–" for n in (EAGER, COMPILED)]
    memory = f"{figures['memory'] / 1e6:.1f} MB" if figures.get("memory") else "–"
    return f"| {cell.net} | {cell.batch} | {cell.precision} | " + " | ".join([*times, *ratios, memory]) + " |"


def _ratio(figures: Mapping[str, Any], peer: str) -> float | None:
    medians = figures.get("medians", {})
    return medians[peer] / medians[OWN] if peer in medians and OWN in medians else None


def _summary(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Least ratio to torch.compile at batch 1 (aim: 1.5), geometric mean of those to torch at batch 64 (aim: 1), and
    how far outputs are apart."""
    one = {n: r for n, f in found.items() if Cell.named(n).batch == 1 and (r := _ratio(f, COMPILED))}
    many = [r for n, f in found.items() if Cell.named(n).batch == 64 and (r := _ratio(f, EAGER))]
    lines = []
    if one:
        worst = min(one, key=lambda n: one[n])
        lines.append(f"batch 1: at least {one[worst]:.2f} times as fast as torch.compile ({worst}); aim 1.5")
    if many:
        lines.append(f"batch 64: {statistics.geometric_mean(many):.2f} times as fast as torch, geometric mean; aim 1")
    apart = {n: max(f["differences"].values()) for n, f in found.items() if f.get("differences")}
    for precision in ("float32", "tf32", "bf16"):
        own = {n: d for n, d in apart.items() if Cell.named(n).precision == precision}
        if own:
            worst = max(own, key=lambda n: own[n])
            lines.append(f"{precision}: outputs differ by {own[worst]:.1e} of the largest at most ({worst})")
    lines += [f"{n}: {who}: {why}" for n, f in found.items() for who, why in f.get("missing", {}).items()]
    return lines


def description(gpu: Any) -> str:
    """The GPU and its driver in a line."""
    capability, cuda = (".".join(map(str, version)) for version in (gpu.capability, gpu.cuda))
    memory = f"{gpu.memory / 2**30:.0f} GiB, {gpu.multiprocessors} multiprocessors"
    return f"{gpu.name}, compute capability {capability}, {memory}; driver for CUDA {cuda}; {date.today()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", help=f"of {', '.join(NETS)}; all if none")
    args = parser.parse_args()
    unknown = set(args.nets) - set(NETS)
    if unknown:
        parser.error(f"there is no net {', '.join(sorted(unknown))}")
    begin = time.time()
    try:
        from netlang.backends.cuda.driver import default_device

        gpu = default_device()
    except NetError as fault:
        print(fault, file=sys.stderr)
        return 2
    print(description(gpu.properties), flush=True)
    wanted = [c for c in cells() if not args.nets or c.net in args.nets]
    compiled = warm(wanted, begin + WARM_SHARE * LIMIT)
    print(f"{len(compiled)} of {len(wanted)} cells compiled after {time.time() - begin:.0f} s", flush=True)
    found = measured(wanted, compiled, begin + LIMIT)
    print(f"{len(found)} of {len(wanted)} cells measured after {time.time() - begin:.0f} s")
    print(f"\n{description(gpu.properties)}")
    print(table(found, wanted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
