"""How much of ONNX's own test suite passes.

python -m tests.conformance CASES.tar.gz                  all cases, on reference and on cpu
python -m tests.conformance generated                     those that the installed onnx package generates
python -m tests.conformance CASES.tar.gz --only Resize    cases with this in their name or operators
python -m tests.conformance CASES.tar.gz --write          writes docs/conformance.md
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from netlang.diagnostics import NetError
from tests.conformance.cases import Case, cases
from tests.conformance.report import page, table
from tests.conformance.running import Outcome, carried_out

TARGETS = ("reference", "cpu")
_PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        chosen = [c for c in cases(args.source) if _wanted(c, args.only)]
    except NetError as fault:
        print(fault, file=sys.stderr)
        return 2
    outcomes = sorted(carried_out_all(chosen, args.target or TARGETS, args.jobs), key=lambda o: (o.group, o.name))
    print(table(outcomes, args.passes))
    if args.write:
        _PAGE.write_text(page(outcomes, args.source), encoding="utf-8")
        print(f"{_PAGE} written")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__.splitlines()[0])
    parser.add_argument("source", help="an archive of cases, or 'generated'")
    parser.add_argument("--only", help="cases with this in their name, or of this operator")
    parser.add_argument("--target", action="append", choices=TARGETS, help="default: both")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--passes", action="store_true", help="list the cases that pass, too")
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md")
    return parser


def _wanted(case: Case, only: str | None) -> bool:
    if only is None:
        return True
    import onnx

    operators = {n.op_type.lower() for n in onnx.ModelProto.FromString(case.model).graph.node}
    return only.lower() in case.name or only.lower() in operators


def carried_out_all(chosen: Sequence[Case], targets: Sequence[str], jobs: int) -> Iterator[Outcome]:
    """The outcome of every case on every target. A case that ends its process is told as such."""
    left = [(case, target) for target in targets for case in chosen]
    while left:
        done: set[int] = set()
        with ProcessPoolExecutor(jobs) as pool:
            running = {pool.submit(carried_out, *work): number for number, work in enumerate(left)}
            try:
                for future in as_completed(running):
                    yield future.result()
                    done.add(running[future])
                    if sys.stderr.isatty():
                        print(f"\r{len(done)} of {len(left)}", end="", file=sys.stderr)
            except BrokenProcessPool:
                left = [work for number, work in enumerate(left) if number not in done]
                yield from _alone(left[:jobs])
                left = left[jobs:]
                continue
        left = []


def _alone(works: Sequence[tuple[Case, str]]) -> Iterator[Outcome]:
    """Cases one by one, each in a process of its own."""
    for case, target in works:
        with ProcessPoolExecutor(1) as pool:
            try:
                yield pool.submit(carried_out, case, target).result()
            except BrokenProcessPool:
                yield Outcome(case.group, case.name, target, (), "the process ended")


if __name__ == "__main__":
    sys.exit(main())
