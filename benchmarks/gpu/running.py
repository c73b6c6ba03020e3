"""The GPU's benchmark in its stages: which kernels there are, compiling them, torch.compile, and measuring.

Each has an end in time, and what is done until then counts: a cell is measured with those contenders that are compiled.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.gpu import kernels
from benchmarks.gpu.cells import COMPILED, CONTENDERS, OWN, Attempt, Cell, Figure, attempts, groups
from benchmarks.gpu.children import Children
from netlang.backends.cuda.target import CudaTarget

_KERNELS, _MEASURE = "benchmarks.gpu.kernels", "benchmarks.gpu.measure"
_AT_ONCE = 4
"""Processes that prepare what they measure, while one of them has the GPU."""
_LARGE_AT_ONCE = 6
"""Processes with large batches that torch.compile compiles for: they share the memory of the GPU."""
_LARGE = 64
_TORCH = {
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "1",
    "TORCHINDUCTOR_AUTOGRAD_CACHE": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}
"""torch.compile keeps on disk what it has compiled; as many of its processes run as there are processors."""
NOT_COMPILED, NOT_MEASURED = "not compiled in time", "not measured in time"


@dataclass
class Course:
    """One run of the benchmark. `say` is told of every figure as it comes, and of every stage."""

    wanted: Sequence[Cell]
    target: CudaTarget
    folder: Path
    children: Children
    say: Callable[[str], None]
    figures: list[Figure] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # ---- compiling

    def compile_ours(self, until: float) -> set[Cell]:
        """Compile our kernels, each once; the cells that have all of theirs."""
        said = json.dumps(asdict(self.target))

        def listed(group: Sequence[Cell]) -> None:
            names = [cell.name for cell in group]
            status, why = self.children.run(_KERNELS, ["list", str(self.folder), said, *names], until)
            if status != 0:
                self.say(f"kernels of {group[0].net}, {group[0].mode}: {why}")

        with ThreadPoolExecutor(_processors()) as pool:
            list(pool.map(listed, groups(self.wanted)))
        found = kernels.listed(self.folder)
        distinct = {kernel for own in found.values() for kernel in own}
        self.say(f"{len(distinct)} kernels for {len(found)} cells")
        status, why = self.children.run(_KERNELS, ["build", str(self.folder), said], until)
        done = kernels.compiled(found, self.target.arch)
        if status:
            self.say(f"compiling kernels: {why}")
            for cell in found.keys() - done:
                self._add(Figure(Attempt(cell, OWN).name, missing=f"a kernel does not compile: {why}"[:200]))
        return done

    def compile_theirs(self, until: float) -> set[Cell]:
        """Have torch.compile fill its cache, for small batches first; the cells that are done."""
        done: set[Cell] = set()

        def warm(cell: Cell) -> None:
            status, why = self.children.run(_MEASURE, ["--warm", cell.name], until, environment=_TORCH)
            if status == 0:
                done.add(cell)
            elif status is not None:
                self._add(Figure(Attempt(cell, COMPILED).name, missing=why or f"it ended with status {status}"))

        for large, most in ((False, _processors()), (True, min(_LARGE_AT_ONCE, _processors()))):
            with ThreadPoolExecutor(most) as pool:
                list(pool.map(warm, [cell for cell in self.wanted if (cell.batch >= _LARGE) == large]))
        return done

    # ---- measuring

    def measure(self, compiled: Mapping[str, Iterable[Cell]], with_peers: bool, until: float) -> None:
        """Measure all cells with the contenders that are `compiled`, by contender, and with those that need not be."""
        for who in CONTENDERS if with_peers else (OWN,):
            for cell in self.wanted if who in compiled else ():
                if cell not in set(compiled[who]):
                    self._add(Figure(Attempt(cell, who).name, missing=NOT_COMPILED))
        if not with_peers:
            for cell in self.wanted:
                for who in CONTENDERS[1:]:
                    self._add(Figure(Attempt(cell, who).name, missing="torch is not installed"))
        waiting = groups(self.wanted)
        at_once = max(1, min(_AT_ONCE, _processors() // 2))

        def group(number: int) -> None:
            rounds = -(-(len(waiting) - number) // at_once)
            self._group(waiting[number], time.time() + (until - time.time()) / rounds)

        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(group, range(len(waiting))))

    def _group(self, own: Sequence[Cell], until: float) -> None:
        """The attempts of one group, in as many processes as it takes: a failure ends one."""
        while left := attempts(own, self._reasons()):
            names = [attempt.name for attempt in left]
            ends = ["--until", str(until), "--lock", str(self.folder / "lock")]
            status, why = self.children.run(_MEASURE, [*names, *ends], until, self._hear, _TORCH)
            after = attempts(own, self._reasons())
            if not status:  # it has done what there was time for
                for attempt in after:
                    self._add(Figure(attempt.name, missing=NOT_MEASURED))
            elif after and after[0].name == names[0]:
                # It told nothing of the first one, which is what ended it.
                self._add(Figure(names[0], missing=why or f"the process ended with status {status}"))

    def _hear(self, line: str) -> None:
        """A line of a process that measures; libraries may print others."""
        try:
            figure = Figure(**json.loads(line))
        except (ValueError, TypeError):
            self.say(line)
            return
        self._add(figure)

    def _add(self, figure: Figure) -> None:
        with self._lock:
            if figure.attempt in self._reasons():
                return
            self.figures.append(figure)
        if figure.missing not in (NOT_COMPILED, NOT_MEASURED):
            self.say(progress(figure))

    def _reasons(self) -> dict[str, str]:
        """The attempts that there is a figure of."""
        return {figure.attempt: figure.missing for figure in list(self.figures)}


def progress(figure: Figure) -> str:
    """A line for a figure as it comes."""
    told = figure.missing if figure.seconds is None else f"{figure.seconds * 1e3:.4g} ms"
    return f"{figure.attempt}: {told}"


def _processors() -> int:
    return max(1, len(os.sched_getaffinity(0)) - 1)
