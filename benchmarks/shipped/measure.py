"""What the files of a net weigh, how long a process takes to its first answer, and how fast they are called."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.cell import TOLERANCE, difference
from benchmarks.networks import images, make_model
from benchmarks.shipped.formats import NUMPY, OWN, SUFFIXES, command, environment, missing, write_file
from netlang.runtime.artifact import open_artifact
from netlang.runtime.model import Model

LIMIT = 300.0
"""Seconds that a program may take to its first answer."""


def figures(net: str, folder: Path, rounds: int, seconds: float, threads: int) -> dict[str, Any]:
    """By who runs it: bytes of the file, seconds to make it; medians of the seconds of a process and of a call, and of
    the ratios of rounds to NumPy's alone and to the best peer. Raises SystemExit where answers differ."""
    model = make_model(net, threads, batch=1)
    np.save(folder / f"{net}.npy", images(model, 1))
    found: dict[str, Any] = {"by": {}, "skipped": {}, "threads": threads, "rounds": rounds}
    for who in SUFFIXES:
        try:
            found["by"][who] = _written(folder, who, net, model, threads)
        except Exception as fault:  # whatever a peer's exporter raises
            if who == OWN:
                raise
            found["skipped"][who] = f"{type(fault).__name__}: {fault}".splitlines()[0][:200]
    people = list(found["by"])
    _compare(folder, net, people, model, found["by"])
    starts = _starts(folder, net, [NUMPY, *people], rounds, threads)
    calls = _calls(folder, net, people, rounds, seconds, threads)
    found["numpy"] = statistics.median(starts[NUMPY])
    for who in people:
        ratios = [mine / base for mine, base in zip(starts[who], starts[NUMPY], strict=True)]
        medians = [statistics.median(times) for times in calls[who]]
        found["by"][who] |= {
            "start": statistics.median(starts[who]),
            "start ratio": statistics.median(ratios),
            "call": statistics.median(medians),
            "calls": sum(map(len, calls[who])),
        }
    best = [min(statistics.median(calls[who][i]) for who in people if who != OWN) for i in range(rounds) if people[1:]]
    own = [statistics.median(times) for times in calls[OWN]]
    found["ratio"] = statistics.median(b / o for b, o in zip(best, own, strict=True)) if best else None
    found["code"] = code_bytes(folder / f"{net}{SUFFIXES[OWN]}")
    return found


def code_bytes(path: Path) -> dict[str, int]:
    """Bytes of machine code in a file of ours by the kind of processor, as it is executed; `stored`: of all together
    with programs, as the file has them."""
    artifact = open_artifact(path)
    levels = {level["name"]: level["bytes"] for level in artifact.content["levels"]}
    stored = sum(m.size for name, m in artifact.members.items() if name.startswith(("code/", "program/")))
    return {**levels, "stored": stored}


def _written(folder: Path, who: str, net: str, model: Model, threads: int) -> dict[str, Any]:
    """The size of a file, and how long making it took; the program has run once, so that its modules are compiled."""
    if lacking := missing(who):
        raise ModuleNotFoundError(f"{lacking} is not installed")
    start = time.perf_counter()
    path = write_file(folder, who, net, model, threads)
    took = time.perf_counter() - start
    _once(folder, command(folder, who, net, threads))
    return {"bytes": path.stat().st_size, "made": round(took, 1)}


def _compare(folder: Path, net: str, people: Sequence[str], model: Model, by: Mapping[str, dict[str, Any]]) -> None:
    """Our file's answer has the bits of the model's; others may differ a little."""
    wanted = model(np.load(folder / f"{net}.npy"))
    for who in people:
        answer = np.load(folder / f"{net}.{who}.npy")
        by[who]["difference"] = float(difference(wanted, answer))
        if who == OWN and not np.array_equal(answer, wanted):
            raise SystemExit(f"{net}: the file gives other bits than the model")
        if by[who]["difference"] > TOLERANCE:
            raise SystemExit(f"{net}: {who} differs by {by[who]['difference']:.2g} of the largest output")


def _starts(folder: Path, net: str, people: Sequence[str], rounds: int, threads: int) -> dict[str, list[float]]:
    """Seconds of whole processes, one of each in every round."""
    found: dict[str, list[float]] = {who: [] for who in people}
    for i in range(rounds):
        for who in people[i % len(people) :] + people[: i % len(people)]:
            found[who].append(_once(folder, command(folder, who, net, threads)))
    return found


def _once(folder: Path, words: Sequence[str]) -> float:
    start = time.perf_counter()
    quiet = {"capture_output": True, "stdin": subprocess.DEVNULL}
    subprocess.run(words, env=environment(folder), cwd=folder, check=True, timeout=LIMIT, **quiet)  # type: ignore
    return time.perf_counter() - start


def _calls(
    folder: Path, net: str, people: Sequence[str], rounds: int, seconds: float, threads: int
) -> dict[str, list[list[float]]]:
    """Seconds of single calls by round. All processes live side by side and are asked in turn."""
    found: dict[str, list[list[float]]] = {who: [] for who in people}
    with ExitStack() as stack:
        asked = {who: stack.enter_context(_caller(folder, who, net, threads)) for who in people}
        for turn in range(rounds + 1):
            for who, (told, answers) in asked.items():
                told.write(f"{seconds}\n")
                told.flush()
                times = json.loads(answers.readline())
                if turn:  # the first warms up
                    found[who].append(times)
    return found


@contextmanager
def _caller(folder: Path, who: str, net: str, threads: int) -> Iterator[tuple[IO[str], IO[str]]]:
    """A process that calls when it is told to."""
    words = command(folder, who, net, threads, "calls")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, env=environment(folder), cwd=folder, text=True, **pipes) as process:  # type: ignore
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        yield process.stdin, process.stdout
        process.stdin.close()
