"""Time netlang beside torch, onnxruntime, OpenVINO and ncnn on the same nets with the same weights; write the page.

    python -m benchmarks.compare                           everything; most of an hour on two quiet cores
    python -m benchmarks.compare lenet5 resnet50           only these nets; other rows stay as they are
    python -m benchmarks.compare --only "alexnet inference 1 2" "training 2"
    python -m benchmarks.compare --missing --minutes 20    what has no figures or old ones, for about so long
    python -m benchmarks.compare --status                  what that would be; measures nothing
    python -m benchmarks.compare --page                    write the page again from the figures there are

Every cell is a process of its own, in which all are called in turn. Peers that are not installed are left out. Figures
are kept in docs/benchmarks.json, the page is docs/benchmarks.md; both are written after every cell.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import memory, plan
from benchmarks.compile_time import compile_times
from benchmarks.machine import cores, processor, revision, versions
from benchmarks.networks import ROWS
from benchmarks.page import page

ROOT = Path(__file__).parent.parent
PAGE, FIGURES = "benchmarks.md", "benchmarks.json"

QUIET = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Without it torch's threads spin at barriers; beside another busy process that makes it several times slower."""
USUAL = 40.0
"""Seconds that a cell is expected to take where nothing is known."""


def figures(folder: Path) -> dict[str, Any]:
    """What has been measured, by name."""
    empty: dict[str, Any] = {"cells": {}, "compile": {}, "memory": {}, "files": {}}
    empty |= {"versions": {}, "processor": "", "cores": 0}
    path = folder / FIGURES
    return empty | json.loads(path.read_text(encoding="utf-8")) if path.exists() else empty


def write(found: Mapping[str, Any], folder: Path) -> None:
    (folder / FIGURES).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(page(found), encoding="utf-8")


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one name; where there are none, `failed` says why."""
    told: dict[str, Any] = {"day": date.today().isoformat(), "revision": revision()}
    told["load"] = round(os.getloadavg()[0], 1)
    start = time.perf_counter()
    try:
        told |= _carry_out(name, options)
    except subprocess.TimeoutExpired:
        told["failed"] = f"not done after {options.limit:.0f} s"
    except subprocess.CalledProcessError as fault:
        told["failed"] = _last_line(fault.stderr) or f"exit status {fault.returncode}"
    except SystemExit as fault:
        told["failed"] = _last_line(str(fault))
    return told | {"took": round(time.perf_counter() - start, 1)}


def _carry_out(name: str, options: argparse.Namespace) -> dict[str, Any]:
    net, mode, *numbers = name.split()
    if mode == "compile":
        cold, warm = compile_times(net, options.limit)
        return {"cold": cold, "warm": warm}
    if mode == "memory":
        return {"batch": 1, "by": memory.figures(net, 1, max(options.threads))}
    command = [sys.executable, "-m", "benchmarks.cell", net, "--mode", mode, "--batch", numbers[0]]
    command += ["--threads", numbers[1], "--seconds", str(options.seconds)]
    command += ["--peers", options.peers] if options.peers else []
    environment = {**os.environ, **QUIET}
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=options.limit, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:200]


def keep(found: dict[str, Any], name: str, new: dict[str, Any]) -> None:
    """Put figures in their place. A failure does not replace figures."""
    net, mode = name.split()[:2]
    place, key = (found["cells"], name) if mode in plan.TIMED else (found[mode], net)
    if "failed" not in new or "failed" in place.get(key, {"failed": ""}):
        place[key] = new


def run(names: Sequence[str], options: argparse.Namespace) -> None:
    """Measure one after the other, and say how long the rest will take."""
    found = figures(options.out)
    found |= {"processor": processor(), "cores": cores(), "versions": versions()}
    started = time.perf_counter()
    took: list[float] = []
    for i, name in enumerate(names):
        left = _expected(found, names[i:], took)
        spent = time.perf_counter() - started
        next_one = _expected(found, names[i : i + 1], took)
        if options.minutes and spent + next_one > options.minutes * 60:
            print(f"no time for {name}, which takes about {next_one:.0f} s", flush=True)
            continue
        print(f"[{i + 1}/{len(names)}] {name}: about {left / 60:.0f} min left", flush=True)
        new = measured(name, options)
        keep(found, name, new)
        took.append(new["took"])
        write(found, options.out)
        print(f"    {summary(new)}", flush=True)


def _expected(found: Mapping[str, Any], names: Sequence[str], took: Sequence[float]) -> float:
    """Seconds that some names will take: what they took before, or what others took."""
    usual = statistics.mean(took) if took else USUAL
    return sum(float((plan.figures_of(found, name) or {}).get("took", usual)) for name in names)


def summary(figures: Mapping[str, Any]) -> str:
    """One line about what was found."""
    if "failed" in figures:
        return f"failed: {figures['failed']}"
    if "medians" in figures:
        times = sorted(figures["medians"].items(), key=lambda item: item[1])
        skipped = [f"no {peer}: {why}" for peer, why in figures["skipped"].items()]
        return "; ".join([", ".join(f"{name} {seconds * 1e3:.4g} ms" for name, seconds in times), *skipped])
    if "by" in figures:
        return ", ".join(f"{who} {f['grown'] / 1e6:.0f} MB" for who, f in figures["by"].items())
    return f"cold {figures['cold']:.2f} s, warm {figures['warm']:.2f} s"


def main() -> None:
    options = _parser().parse_args()
    names = plan.chosen(plan.names(options.nets, options.modes, options.batches, options.threads), options.only)
    if options.missing:
        kept = figures(options.out)
        names = [name for name in names if plan.state(kept, name)]
    if options.status:
        kept = figures(options.out)
        states = {name: plan.state(kept, name) for name in names}
        lines = [f"{name}: {text}" for name, text in states.items() if text]
        print("\n".join([*lines, f"{len(lines)} of {len(names)} to be measured"]))
    elif options.page:
        write(figures(options.out), options.out)
    else:
        run(names, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    known = ", ".join(ROWS)
    parser.add_argument("nets", nargs="*", choices=(*ROWS, []), metavar="NET", help=f"of {known}; all if none is given")
    parser.add_argument("--modes", nargs="+", choices=plan.MODES, default=plan.MODES)
    parser.add_argument("--batches", nargs="+", type=int, default=list(plan.BATCHES), help="of inference")
    parser.add_argument("--threads", nargs="+", type=int, default=list(plan.THREADS))
    parser.add_argument("--only", nargs="+", default=[], metavar="TEXT", help="names with these words in this order")
    parser.add_argument("--missing", action="store_true", help="what has no figures, or those of an older state")
    parser.add_argument("--seconds", type=float, default=8.0, help="of timed calls in each cell, everybody's together")
    parser.add_argument("--limit", type=float, default=400.0, help="seconds after which a cell is given up")
    parser.add_argument("--minutes", type=float, help="begin nothing that is not expected to end within so many")
    parser.add_argument("--peers", default="", help="names, separated by commas; torch.compile only if it is named")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of figures and page (default: docs)")
    parser.add_argument("--status", action="store_true", help="list what is missing or stale, and measure nothing")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    return parser


if __name__ == "__main__":
    main()
