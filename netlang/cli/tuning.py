"""--tune: measuring which kernels are fastest before going on, and what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from netlang.backends.base import Report, Tuning
from netlang.cli.arguments import seconds
from netlang.cli.output import count, table
from netlang.cli.progress import Measuring

USUAL = 30.0
"""Seconds of measuring where nobody says."""


def add_tune(new: argparse.ArgumentParser) -> None:
    new.add_argument(
        "--tune",
        nargs="?",
        type=seconds,
        const=USUAL,
        metavar="SECONDS",
        help=f"measure for this long (default: {USUAL:.0f} s) which kernels are fastest on this processor or GPU, and "
        "remember it",
    )


def measure(tuned: Callable[[Report], Tuning]) -> None:
    """Show the progress of a measurement, and what it has found."""
    with Measuring() as measuring:
        tuning = tuned(measuring.report)
    show_tuning(tuning)


def show_tuning(tuning: Tuning) -> None:
    """Print the layers for which something else turned out faster than what the model of costs takes."""
    changed = [layer for layer in tuning.layers if layer.choice != next(iter(layer.seconds))]
    rows = []
    for layer in changed:
        usual, now = next(iter(layer.seconds.items())), layer.seconds[layer.choice]
        rows.append((layer.layer, usual[0], layer.choice, milliseconds(usual[1]), milliseconds(now)))
    if rows:
        table("", ("layer", "was", "is now", "ms before", "ms now"), rows, text_columns=3)
    early = "" if tuning.whole else ", interrupted early"
    print(f"measured {count(len(tuning.layers))} choices{early}: {count(len(changed))} are not the usual ones")


def milliseconds(time_taken: float) -> str:
    return f"{time_taken * 1e3:.3f}"
