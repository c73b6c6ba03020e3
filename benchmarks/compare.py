"""Time netlang beside torch, onnxruntime and OpenVINO on the same nets with the same weights, and write the page.

    python -m benchmarks.compare                           everything; most of an hour on two quiet cores
    python -m benchmarks.compare lenet5 resnet50           only these nets; other rows stay as they are
    python -m benchmarks.compare --modes inference --batches 1 --threads 2 --seconds 2
    python -m benchmarks.compare --page                    write the page again from the figures there are

Every cell is a process of its own, in which all are called in turn. Peers that are not installed are left out. Figures
are kept in docs/benchmarks.json, the page is docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.compile_time import compile_times
from benchmarks.machine import cores, processor, revision, versions
from benchmarks.networks import NETS, TRAINING_BATCH
from benchmarks.page import page

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
FIGURES = ROOT / "docs" / "benchmarks.json"

MODES = ("inference", "training", "compile")
QUIET = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Without it torch's threads spin at barriers; beside another busy process that makes it several times slower."""


def figures() -> dict[str, Any]:
    """What has been measured: cells and compile times by their names."""
    if FIGURES.exists():
        found: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
        return found
    return {"cells": {}, "compile": {}, "versions": {}, "processor": "", "cores": 0}


def write(found: dict[str, Any]) -> None:
    FIGURES.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")


def cells(options: argparse.Namespace) -> list[tuple[str, str, int, int]]:
    """(net, mode, batch, threads) of every cell asked for."""
    found = []
    for mode in (m for m in options.modes if m != "compile"):
        for threads in options.threads:
            for net in options.nets or NETS:
                batches = options.batches if mode == "inference" else [TRAINING_BATCH.get(net, 16)]
                found += [(net, mode, batch, threads) for batch in batches]
    return found


def run_cell(cell: tuple[str, str, int, int], options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one cell; where there are none, `failed` says why."""
    net, mode, batch, threads = cell
    command = [sys.executable, "-m", "benchmarks.cell", net, "--mode", mode, "--batch", str(batch)]
    command += ["--threads", str(threads), "--seconds", str(options.seconds)]
    command += ["--peers", options.peers] if options.peers else []
    told = {"day": date.today().isoformat(), "revision": revision(), "load": round(os.getloadavg()[0], 1)}
    try:
        done = subprocess.run(
            command, env={**os.environ, **QUIET}, cwd=ROOT, capture_output=True, text=True, timeout=options.limit
        )
    except subprocess.TimeoutExpired:
        return {**told, "failed": f"not done after {options.limit:.0f} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {**told, "failed": lines[-1][:200]}
    return {**told, **json.loads(done.stdout.splitlines()[-1])}


def main() -> None:
    options = _parser().parse_args()
    found = figures()
    if not options.page:
        found |= {"processor": processor(), "cores": cores(), "versions": versions()}
        for cell in cells(options):
            name = " ".join(map(str, cell))
            measured = run_cell(cell, options)
            if "failed" not in measured or "medians" not in found["cells"].get(name, {}):
                found["cells"][name] = measured
            print(name, measured.get("failed") or measured["medians"], flush=True)
            write(found)
        for net in (options.nets or NETS) if "compile" in options.modes else ():
            found["compile"][net] = compile_times(net)
            print(net, found["compile"][net], flush=True)
            write(found)
    write(found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("nets", nargs="*", help=f"of {', '.join(NETS)}; all if none is given")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16], help="of inference")
    parser.add_argument("--threads", nargs="+", type=int, default=[2, 1])
    parser.add_argument("--seconds", type=float, default=4.0, help="for each framework in each cell")
    parser.add_argument("--limit", type=float, default=400.0, help="seconds after which a cell is given up")
    parser.add_argument("--peers", default="", help="names, separated by commas; torch.compile only if it is named")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    return parser


if __name__ == "__main__":
    main()
