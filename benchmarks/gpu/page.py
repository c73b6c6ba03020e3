"""The table of the GPU's benchmark."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.gpu.cells import COMPILED, CONTENDERS, EAGER, MODES, PRECISIONS, Cell, Measured
from benchmarks.networks import NETS

AIMED_ALONE, AIMED_TOGETHER = 1.5, 1.0
"""To torch.compile on every net at batch 1; to torch at batch 64, geometric mean."""
_HEAD = "| net | batch | precision | netlang | torch | torch.compile | to torch | to torch.compile | memory |"


def description(gpu: Any) -> str:
    """The GPU, its driver and what it is compared with, in a line."""
    capability, cuda = (".".join(map(str, version)) for version in (gpu.capability, gpu.cuda))
    memory = f"{gpu.memory / 2**30:.0f} GiB, {gpu.multiprocessors} multiprocessors"
    about = f"{gpu.name}, compute capability {capability}, {memory}; driver for CUDA {cuda}"
    return f"{about}; torch {_version('torch')}; {date.today()}"


def page(found: Mapping[Cell, Measured], wanted: Sequence[Cell]) -> str:
    """The figures as a table in Markdown for each mode, the ratios that are aimed at, and why figures are missing."""
    lines: list[str] = []
    for mode in MODES:
        lines += [f"\n### {mode.capitalize()}, milliseconds by the device's clock, medians\n"]
        lines += [_HEAD, "|---|--:|---|--:|--:|--:|--:|--:|--:|"]
        lines += [_row(c, found.get(c, Measured())) for c in sorted(wanted, key=_order) if c.mode == mode]
    return "\n".join([*lines, "", *_summary(found), *_missing(found)])


def _order(cell: Cell) -> tuple[int, int, int]:
    return list(NETS).index(cell.net), cell.batch, PRECISIONS.index(cell.precision)


def _row(cell: Cell, figures: Measured) -> str:
    times = [f"{figures.medians[n] * 1e3:.4g}" if n in figures.medians else "–" for n in CONTENDERS]
    ratios = [f"{r:.2f}" if (r := figures.ratio(n)) else "–" for n in (EAGER, COMPILED)]
    memory = f"{figures.memory / 1e6:.1f} MB" if figures.memory else "–"
    return f"| {cell.net} | {cell.batch} | {cell.precision} | " + " | ".join([*times, *ratios, memory]) + " |"


def _summary(found: Mapping[Cell, Measured]) -> list[str]:
    """Least ratio to torch.compile at batch 1, geometric mean of those to torch at batch 64, and how far outputs are
    apart."""
    one = {c.name: r for c, f in found.items() if c.batch == 1 and (r := f.ratio(COMPILED))}
    many = [r for c, f in found.items() if c.batch == 64 and (r := f.ratio(EAGER))]
    lines = []
    if one:
        worst = min(one, key=lambda n: one[n])
        lines.append(
            f"batch 1: at least {one[worst]:.2f} times as fast as torch.compile ({worst}, of {len(one)}); "
            f"aim {AIMED_ALONE}"
        )
    if many:
        mean = statistics.geometric_mean(many)
        lines.append(
            f"batch 64: {mean:.2f} times as fast as torch, geometric mean of {len(many)}; aim {AIMED_TOGETHER:.0f}"
        )
    for precision in PRECISIONS:
        own = {
            c.name: max(f.differences.values()) for c, f in found.items() if c.precision == precision if f.differences
        }
        if own:
            worst = max(own, key=lambda n: own[n])
            lines.append(f"{precision}: outputs differ by {own[worst]:.1e} of the largest at most ({worst})")
    return lines


def _missing(found: Mapping[Cell, Measured]) -> list[str]:
    """Why there is a dash, reasons that many share as a count."""
    reasons = [(f"{c.name}: {who}", why) for c, f in found.items() for who, why in f.missing.items()]
    counts = Counter((who.rpartition(": ")[2], why) for who, why in reasons)
    shared = [f"{who}: {why}: {count} cells" for (who, why), count in counts.items() if count > 1]
    return [*shared, *(f"{who}: {why}" for who, why in reasons if counts[who.rpartition(": ")[2], why] == 1)]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not installed"
