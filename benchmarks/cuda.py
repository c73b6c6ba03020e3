"""Time netlang on the GPU beside torch and torch.compile; the table comes last.

    python -m benchmarks.cuda               all nets, in under eight minutes
    python -m benchmarks.cuda lenet5 lstm   these

First our kernels are compiled, each once, and torch.compile fills its cache, on all processors. Then a few processes
prepare nets side by side and time them one at a time, alone on the GPU. Every figure is printed as it comes; what there
was no time for has a dash and is counted below the table. Compiled code stays on disk: another run gets further. An
interrupt ends what is running and prints the table of what there is.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gpu.cells import COMPILED, OWN, cells, collected
from benchmarks.gpu.children import Children
from benchmarks.gpu.page import description, page
from benchmarks.gpu.running import Course
from benchmarks.networks import NETS
from netlang.diagnostics import NetError

LIMIT = 460.0
"""Seconds for everything."""
OURS_UNTIL, THEIRS_UNTIL = 0.35, 0.6
"""The parts of it after which our kernels, and torch.compile's, are not compiled any more."""


def run(course: Course, begin: float) -> None:
    """All stages."""
    ours = course.compile_ours(begin + OURS_UNTIL * LIMIT)
    course.say(f"{len(ours)} of {len(course.wanted)} cells compiled after {time.time() - begin:.0f} s")
    with_peers = find_spec("torch") is not None
    theirs = course.compile_theirs(begin + THEIRS_UNTIL * LIMIT) if with_peers else set()
    course.say(f"{len(theirs)} by torch.compile after {time.time() - begin:.0f} s")
    course.measure({OWN: ours, COMPILED: theirs}, with_peers, begin + LIMIT)
    measured = sum(figure.seconds is not None for figure in course.figures)
    course.say(f"{measured} figures after {time.time() - begin:.0f} s")


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
    _say(description(gpu.properties))
    children = Children()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: children.end())
    with TemporaryDirectory() as folder:
        course = Course(cells(args.nets), gpu.target, Path(folder), children, _say)
        try:
            run(course, begin)
        finally:
            _say(f"\n{description(gpu.properties)}")
            _say(page(collected(course.figures), course.wanted))
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
