"""Graphs to programs and machine code for every kind of processor, as members of a file.

content    {"levels": [{"name", "arch", "needs": [feature, ...], "imports": [function, ...],
                        "entries": {walker's kernel: place}}, ...]}     the first that a machine can run is taken
           and of each graph: {"least": {size: n}, "largest": {size: n}}
members    code/<level>            the blob of all kernels and the walker
           program/<key>/<level>   the program of a graph as JSON (see `packing`)
           constants               what programs have in their own memory
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from zlib import compress

from netlang.backends.base import Deployed, Options, Package, Request
from netlang.backends.cpu import loader
from netlang.backends.cpu.artifact.packing import Constants, packed
from netlang.backends.cpu.artifact.ranges import Range, size_ranges
from netlang.backends.cpu.backend import Cpu
from netlang.backends.cpu.build import compile_missing
from netlang.backends.cpu.kernel import Kernel
from netlang.backends.cpu.link import Linked, link
from netlang.backends.cpu.processors import available
from netlang.backends.cpu.program import Program
from netlang.backends.cpu.target import LEVELS, Target
from netlang.backends.cpu.threads import ALONE, WAKE_UP, WORKER, together
from netlang.diagnostics import NetError, did_you_mean
from netlang.passes.manager import PassManager

WALKER = (ALONE, together(True), WORKER, WAKE_UP)
"""What threads go through programs by."""
_COMPRESSION = 9


def package(graphs: Sequence[Deployed], request: Request, options: Options) -> Package:
    """The levels, best first, and for each the code of all graphs."""
    constants = Constants()
    ranges = {deployed.key: size_ranges(deployed.graph) for deployed in graphs}
    levels, members = [], {}
    for name in asked_levels(request.machines):
        backend = Cpu(options, replace(LEVELS[name], processors=request.threads or available()))
        programs = {d.key: program_of(backend, d) for d in graphs}
        linked, places = _linked(list(programs.values()), available(), backend.target)
        for deployed in graphs:
            key, symbols = deployed.key, list(deployed.graph.symbols)
            found = packed(programs[key], symbols, places.__getitem__, constants, request.largest)
            _narrow(ranges[key], found.pop("largest"))
            members[f"program/{key}/{name}"] = compress(_json(found), _COMPRESSION)
        members[f"code/{name}"] = compress(linked.blob, _COMPRESSION)
        levels.append(_level(name, backend.target, linked, places))
    members["constants"] = bytes(constants.body)
    said = {key: _range_content(found) for key, found in ranges.items()}
    return Package({"levels": levels}, said, members)


def asked_levels(machines: Sequence[str]) -> list[str]:
    """The levels that are asked for, the best first. Raises NetError for one that there is not."""
    for name in machines:
        if name not in LEVELS:
            hint = did_you_mean(name, LEVELS) or f"there are {', '.join(LEVELS)}"
            raise NetError(f"there is no kind of processor '{name}'", hint=hint)
    return [name for name in reversed(LEVELS) if not machines or name in machines]


def program_of(backend: Cpu, deployed: Deployed) -> Program:
    return backend.program(PassManager().run(deployed.graph, backend.passes))


def _linked(programs: Sequence[Program], processes: int, target: Target) -> tuple[Linked, dict[Kernel, int]]:
    lines = [line for program in programs for line in (*program.prologue, *program.lines)]
    kernels = list(dict.fromkeys([*(line.kernel for line in lines), *WALKER]))
    compile_missing(kernels, processes, target)
    objects = {kernel: loader.compile_now(kernel, target) for kernel in kernels}
    linked = link(dict(objects.values()))
    return linked, {kernel: linked.places[symbol] for kernel, (symbol, _) in objects.items()}


def _level(name: str, target: Target, linked: Linked, places: dict[Kernel, int]) -> dict[str, Any]:
    return {
        "name": name,
        "arch": target.arch,
        "needs": sorted(target.needs),
        "imports": list(linked.imports),
        "bytes": len(linked.blob),
        "entries": {kernel.key: places[kernel] for kernel in WALKER},
    }


def _narrow(ranges: dict[str, Range], largest: dict[str, int]) -> None:
    """Sizes beyond what was tabulated are not to be had."""
    for name, most in largest.items():
        ranges[name] = ranges[name].up_to(most)


def _range_content(ranges: dict[str, Range]) -> dict[str, Any]:
    return {
        "least": {name: found.least for name, found in ranges.items() if found.least},
        "largest": {name: found.largest for name, found in ranges.items() if found.largest is not None},
    }


def _json(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
