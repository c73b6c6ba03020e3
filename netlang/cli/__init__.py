"""netc, the command line: one small file per group of verbs, none of which computes anything itself.

`output` draws tables and numbers, `progress` what training shows; here are the parser and the exit statuses:
0 done; 1 what was compared differs; 2 a fault of the user's file, data or command; 70 a fault of netlang;
130 interrupted; 141 nobody reads.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from netlang import config
from netlang.cli import (
    artifacts,
    bench,
    check,
    compiling,
    environment,
    exporting,
    graphs,
    importing,
    profile,
    running,
    summary,
    training,
    weights,
)
from netlang.diagnostics import NetError
from netlang.runtime.fit import Interrupted

GROUPS = (
    check,
    summary,
    graphs,
    compiling,
    artifacts,
    profile,
    bench,
    training,
    running,
    importing,
    exporting,
    weights,
    environment,
)
"""In the order in which `netc --help` lists their verbs."""

FAULT, INTERNAL, INTERRUPTED, UNREAD = 2, 70, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command; returns its exit status."""
    try:
        args = parser().parse_args(argv)
        status = args.carry_out(args)
        sys.stdout.flush()
    except NetError as fault:
        print(fault, file=sys.stderr)
        return FAULT
    except Interrupted as stopped:
        saved = f", checkpoint saved at {stopped.saved}" if stopped.saved else ""
        print(f"interrupted{saved}", file=sys.stderr)
        return INTERRUPTED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes standard output once more at exit; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except MemoryError:
        print("netc: error: not enough memory", file=sys.stderr)
        return FAULT
    except OSError as fault:
        print(f"netc: error: {fault.filename or 'system'}: {fault.strerror or fault}", file=sys.stderr)
        return FAULT
    except Exception as fault:  # the one place where a fault of netlang itself ends
        return _internal(fault)
    return status or 0


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="netc", description="Compile, train and run neural networks written in .net files."
    )
    verbs = top.add_subparsers(metavar="VERB", required=True)
    for group in GROUPS:
        group.add_verbs(verbs)
    return top


def _internal(fault: Exception) -> int:
    if config.get("NETLANG_TRACEBACK"):
        traceback.print_exception(fault)
    else:
        told = f"{type(fault).__name__}: {fault}".splitlines()[0]
        print(f"netc: internal error: {told}", file=sys.stderr)
        for note in getattr(fault, "__notes__", ()):
            print(f"  {note}", file=sys.stderr)
        print("  This is a fault of netlang. Please report it with what NETLANG_TRACEBACK=1 shows.", file=sys.stderr)
    return INTERNAL
