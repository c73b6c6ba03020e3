"""What there is to measure, by name, and what of it has not been measured or is out of date.

A name is `resnet50 inference 16 2` (row, mode, batch, threads), `resnet50 compile` or `resnet50 memory`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.machine import is_current
from benchmarks.networks import NETS, ROWS, TRAINING_BATCH, split

TIMED = ("inference", "training")
MODES = (*TIMED, "compile", "memory")
BATCHES, THREADS = (1, 16), (2, 1)


def names(
    rows: Sequence[str] = (),
    modes: Sequence[str] = MODES,
    batches: Sequence[int] = BATCHES,
    threads: Sequence[int] = THREADS,
) -> list[str]:
    """The names of all that is asked for, the most wanted first. No rows: all of them."""
    found = []
    for count in threads:
        for mode in (m for m in TIMED if m in modes):
            for batch in batches if mode == "inference" else (0,):
                timed = [r for r in rows or ROWS if mode == "inference" or split(r)[1] is None]
                found += [f"{r} {mode} {batch or TRAINING_BATCH.get(r, 16)} {count}" for r in timed]
    for mode in (m for m in MODES if m in modes and m not in TIMED):
        found += [f"{r} {mode}" for r in rows or NETS if r in NETS]
    return found


def chosen(wanted: Iterable[str], texts: Sequence[str]) -> list[str]:
    """Those of the names in which the words of one of the texts occur in order; all if there are no texts."""
    return [name for name in wanted if not texts or any(_occurs(text.split(), name.split()) for text in texts)]


def _occurs(words: Sequence[str], name: Sequence[str]) -> bool:
    rest = iter(name)
    return all(word in rest for word in words)


def figures_of(found: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """What is kept under a name; None where there is nothing."""
    net, mode = name.split()[:2]
    kept: Mapping[str, Any] | None = found["cells"].get(name) if mode in TIMED else found.get(mode, {}).get(net)
    return kept


def state(found: Mapping[str, Any], name: str) -> str:
    """`missing`, `failed: why`, `stale (measured at ...)`, or nothing where the figures are those of the sources."""
    kept = figures_of(found, name)
    if kept is None:
        return "missing"
    if "failed" in kept:
        return f"failed: {kept['failed']}"
    commit = kept.get("revision", "")
    return "" if is_current(commit) else f"stale (measured at {commit or 'an unknown commit'})"
