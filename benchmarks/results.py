"""Train the examples on real data and write what they reach into docs/results.md and docs/results.json.

    python -m benchmarks.results                   every training of every family; an hour on two cores
    python -m benchmarks.results lenet5 nielsen    those of these families
    python -m benchmarks.results nielsen/dropout   one training: its family, and how its name begins
    python -m benchmarks.results --missing         those that have not been measured

Each row is one run from a fixed seed, with the recipe of the `.net` file or script itself. Figures are those of the
last epoch on held-out data, not of the best one.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Sequence

from benchmarks.family.figures import Demand, Shown, keep, known, value_text
from benchmarks.family.records import ROOT, Family, RecordError, Training, families
from benchmarks.family.training import carry_out
from netlang.diagnostics import NetError

PAGE = ROOT / "docs" / "results.md"

HEAD = f"""# What the examples reach

Written by `python -m benchmarks.results`. One run each, from the seed given and the recipe in the file; figures are
those of the last epoch on held-out data (for MNIST its 10,000 test images). The time is that of the whole command,
compilation included. On {platform.machine()} with two shared cores, mostly one thread beside other work: figures do not
depend on that, times do. Where the data has no third part, recipes were chosen by these same held-out figures.

| family | training | data | epochs | seed | figures | asked for | time | samples/s | measured |
|---|---|---|---|---|---|---|---|---|---|
"""


def measure(chosen: Sequence[Family], wanted: Sequence[str] = (), missing: bool = False) -> list[str]:
    """Carry out trainings and keep what they show; returns what went wrong, one line each."""
    wrong = []
    for family, training in _trainings(chosen, wanted):
        if missing and (family.name, training.name) in known():
            continue
        print(f"== {family.name}: {training.name}", flush=True)
        try:
            shown = carry_out(family, training)
        except (NetError, RecordError) as fault:
            wrong.append(f"{family.name}: {training.name}: {fault}")
            print(wrong[-1], flush=True)
            continue
        # Read again: several of these commands may be under way.
        entries = {**known(), (family.name, training.name): shown}
        keep(_ordered(entries))
        PAGE.write_text(page(_ordered(entries)), encoding="utf-8")
    return wrong


def _trainings(chosen: Sequence[Family], wanted: Sequence[str]) -> Iterator[tuple[Family, Training]]:
    for family in chosen:
        for training in family.trainings:
            path = f"{family.name}/{training.name}"
            if not wanted or any(path == w or path.startswith(w if "/" in w else f"{w}/") for w in wanted):
                yield family, training


def _ordered(entries: dict[tuple[str, str], Shown]) -> list[Shown]:
    """In the order of the gallery; what no record names any more is dropped."""
    return [entries[key] for f in families() for t in f.trainings if (key := (f.name, t.name)) in entries]


def page(entries: Sequence[Shown]) -> str:
    """The table as Markdown."""
    trainings = {(f.name, t.name): (f, t) for f in families() for t in f.trainings}
    return HEAD + "\n".join(_row(shown, *trainings[shown.family, shown.training]) for shown in entries) + "\n"


def _row(shown: Shown, family: Family, training: Training) -> str:
    figures = ", ".join(f"{n} {value_text(n, v, training)}" for n, v in shown.figures.items())
    missed = [n for n, text in training.asked.items() if not Demand.of(text).met(shown.figures.get(n, float("nan")))]
    asked = ", ".join(f"{n} {text}{' **missed**' if n in missed else ''}" for n, text in training.asked.items())
    speed = f"{shown.samples_per_second:,.0f}" if shown.samples_per_second else "–"
    return (
        f"| [{family.title}](../examples/{family.name}/README.md) | {training.name} | {training.data or '–'} "
        f"| {shown.epochs or '–'} | {shown.seed} | {figures} | {asked or '–'} | {shown.seconds:,.0f} s | {speed} "
        f"| {shown.day} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the examples and write docs/results.md.")
    parser.add_argument("wanted", nargs="*", help="families, or family/training; all if none is given")
    parser.add_argument("--missing", action="store_true", help="only what has not been measured")
    args = parser.parse_args()
    wrong = measure(families(), args.wanted, args.missing)
    print(PAGE.read_text(encoding="utf-8") if PAGE.exists() else "")
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
