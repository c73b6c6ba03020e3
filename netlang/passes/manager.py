"""The pass manager: the only one who verifies, dumps and times; passes only rewrite."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from netlang import config
from netlang.diagnostics import NetError
from netlang.ir.graph import Graph
from netlang.ir.text import print_graph
from netlang.ir.verify import Checked, VerifyError, verify

Observer = Callable[[str, Graph], None]
"""(name of the pass, graph after it)."""

INPUT = "input"
"""What dumps and observers call the graph before the first pass."""


@dataclass(frozen=True)
class Pass:
    """A named rewrite of a graph.

    requires   what earlier passes must have established (`Graph.ensures`)
    ensures    what holds afterwards
    """

    name: str
    run: Callable[[Graph], Graph]
    requires: frozenset[str] = frozenset()
    ensures: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PassManager:
    """Runs passes in order. `verifying` None means as NETLANG_VERIFY says, which by default is after every pass."""

    verifying: bool | None = None

    def run(
        self,
        graph: Graph,
        passes: Sequence[Pass],
        after: str | None = None,
        observe: Observer | None = None,
    ) -> Graph:
        """`graph` after all `passes`, or after the first one called `after`.

        `observe` is told the graph before the first pass (as `input`) and after each one. Raises NetError for an
        `after` that is no pass, VerifyError where a pass breaks the graph or runs before what it requires.
        """
        names = [p.name for p in passes]
        if after is not None and after not in names:
            raise NetError(f"there is no pass '{after}'", hint=f"the passes are {', '.join(dict.fromkeys(names))}")
        verifying = config.get("NETLANG_VERIFY") if self.verifying is None else self.verifying
        watchers = [w for w in (observe, _dumper()) if w is not None]
        checked: Checked = {}
        if verifying:
            verify(graph, INPUT, checked)
        _tell(watchers, INPUT, graph)
        for step in passes:
            graph = _carry_out(step, graph)
            # The dump comes first: it shows what the verifier is about to complain of.
            _tell(watchers, step.name, graph)
            if verifying:
                verify(graph, step.name, checked)
            if step.name == after:
                break
        return graph


def _carry_out(step: Pass, graph: Graph) -> Graph:
    if missing := sorted(step.requires - graph.ensures):
        raise VerifyError(f"the pass {step.name} requires '{missing[0]}', which no pass before it ensures")
    timing = config.get("NETLANG_TIMING")
    start = perf_counter()
    after = step.run(graph)
    if timing:
        spent = (perf_counter() - start) * 1e3
        counts = f"{len(graph.nodes)} -> {len(after.nodes)} nodes"
        print(f"netlang: {graph.name}: {step.name:16} {spent:8.1f} ms  {counts}", file=sys.stderr)
    return after if step.ensures <= after.ensures else after.replace(ensures=after.ensures | step.ensures)


def _tell(watchers: Sequence[Observer], name: str, graph: Graph) -> None:
    for watcher in watchers:
        watcher(name, graph)


def _dumper() -> Observer | None:
    """Writes the IR where NETLANG_DUMP says, one file `<graph>.<number>-<pass>.ir` for each pass."""
    place: str = config.get("NETLANG_DUMP")
    if not place:
        return None
    count = 0

    def dump(name: str, graph: Graph) -> None:
        nonlocal count
        text = print_graph(graph)
        if place == "-":
            print(f"# {graph.name} after {name}\n{text}", file=sys.stderr)
        else:
            _write(Path(place), f"{_file_name(graph.name)}.{count:02}-{_file_name(name)}.ir", text)
        count += 1

    return dump


def _write(folder: Path, name: str, text: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    except OSError as fault:
        raise NetError(f"NETLANG_DUMP: cannot write {folder / name}: {fault.strerror}") from fault


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_$.-]", "_", name) or "graph"
