"""Time nets as files beside onnxruntime, torch and torch's own ahead-of-time package; write their part of the page.

    python -m benchmarks.files                     all nets; most of twenty minutes on two cores is compiling
    python -m benchmarks.files lenet5 --rounds 3   only this net, roughly

Needs a C++ compiler for torch's package. Figures are kept in docs/benchmarks.json with those of `benchmarks.compare`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from datetime import date
from pathlib import Path

from benchmarks import compare
from benchmarks.machine import cores, processor, revision, versions
from benchmarks.shipped.formats import write_programs
from benchmarks.shipped.measure import figures
from benchmarks.shipped.table import TITLES


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(TITLES)}; all if none is named")
    parser.add_argument("--rounds", type=int, default=21, help="processes of each, and turns of calls")
    parser.add_argument("--seconds", type=float, default=0.5, help="of calls in each turn")
    parser.add_argument("--threads", type=int, default=min(2, cores()))
    parser.add_argument("--out", type=Path, default=compare.ROOT / "docs", help="where figures and page are")
    options = parser.parse_args()
    for net in options.nets or TITLES:
        if net not in TITLES:
            parser.error(f"there is no '{net}' among {', '.join(TITLES)}")
    for net in options.nets or TITLES:
        told = {"day": date.today().isoformat(), "revision": revision(), "load": round(os.getloadavg()[0], 1)}
        with tempfile.TemporaryDirectory() as place:
            write_programs(Path(place))
            told |= figures(net, Path(place), options.rounds, options.seconds, options.threads)
        found = compare.figures(options.out)
        found["files"][net] = told
        found |= {"processor": processor(), "cores": cores(), "versions": versions()}
        compare.write(found, options.out)
        for who, f in told["by"].items():
            times = f"{f['start'] * 1e3:.0f} ms ({f['start ratio']:.2f}), {1 / f['call']:.4g} calls/s"
            print(f"{net}, {who}: {f['bytes']:,} bytes, {times}", flush=True)
        for who, why in told["skipped"].items():
            print(f"{net}, {who}: {why}", flush=True)


if __name__ == "__main__":
    main()
