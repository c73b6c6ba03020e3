"""Networks that others trained, imported from ONNX: do they reach what was recorded of them, and how fast are they?

    python -m benchmarks.imported                  all; writes docs/imported.md
    python -m benchmarks.imported lenet --seconds 2

Calls of one sample, in turn with onnxruntime on the same file in the same process; medians.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from benchmarks.machine import cores, processor, revision
from benchmarks.page import milliseconds
from benchmarks.trained.measure import OWN, Measured, measured
from benchmarks.trained.models import TRAINED

_PAGE = Path(__file__).parents[1] / "docs" / "imported.md"
_NOTES = """\
# Networks from elsewhere

Networks that others trained, imported from their ONNX files with `netc import`, compiled for `cpu`. Written by
`python -m benchmarks.imported`.

*Reached* is what the imported network does on real data, *recorded* what onnxruntime did when the figures were kept;
every number is compared (rtol 1e-3, atol 1e-4), *difference* is the largest. Times are medians of single calls with
one sample in milliseconds, netlang and onnxruntime called in turn in one process, from Python, the faster of
onnxruntime with and without spinning threads; *ratio* above 1: netlang is faster. onnxruntime is given the file with
its constants as constants, so that it can fold them.
"""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(TRAINED)}; all if none is named")
    parser.add_argument("--seconds", type=float, default=4.0, help="of calls for each")
    options = parser.parse_args(argv)
    for net in options.nets:
        if net not in TRAINED:
            parser.error(f"there is no '{net}' among {', '.join(TRAINED)}")
    threads, load, found = (1, 2) if cores() > 1 else (1,), os.getloadavg()[0], {}
    for net in options.nets or TRAINED:
        found[net] = measured(TRAINED[net], threads, options.seconds)
        print(_line(net, found[net], threads), flush=True)
    if not options.nets:
        _PAGE.write_text(page(found, threads, load), encoding="utf-8")


def page(found: Mapping[str, Measured], threads: Sequence[int], load: float) -> str:
    """docs/imported.md"""
    parts = [
        _NOTES,
        f"{processor()}; {cores()} cores. {date.today():%Y-%m-%d}, commit {revision()}, load {load:.1f}.\n",
    ]
    heads = ["net", "lines", "reached", "recorded", "difference"]
    for count in threads:
        heads += [f"netlang, {count} thread{'s' if count > 1 else ''}", "onnxruntime", "ratio"]
    lines = [f"| {' | '.join(heads)} |", "|---|--:|---|---|--:" + "|--:|--:|--:" * len(threads) + "|"]
    lines += [_line(net, m, threads) for net, m in found.items()]
    return "\n".join([*parts, *lines]) + "\n"


def _line(net: str, m: Measured, threads: Sequence[int]) -> str:
    close = f"{m.reached.difference:.1e}" + ("" if m.reached.close else " (too much)")
    cells = [TRAINED[net].title, str(m.lines), m.reached.figure, m.reached.recorded, close]
    for count in threads:
        mine = m.medians[OWN, count]
        best = min(t for (who, n), t in m.medians.items() if n == count and who != OWN)
        cells += [f"**{milliseconds(mine)}**", milliseconds(best), f"{best / mine:.2f}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
