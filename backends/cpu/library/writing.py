"""Nets to a shared library: what `.netc` files have, as C and as objects, linked by a C compiler."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from netlang.backends.base import Deployed, Library, Options, Request, Said, Style
from netlang.backends.cpu import loader
from netlang.backends.cpu.artifact.packing import Constants
from netlang.backends.cpu.artifact.ranges import Range, size_ranges
from netlang.backends.cpu.artifact.writing import WALKER, asked_levels, program_of
from netlang.backends.cpu.backend import Cpu
from netlang.backends.cpu.build import compile_missing
from netlang.backends.cpu.kernel import Kernel
from netlang.backends.cpu.library import source
from netlang.backends.cpu.library.compiler import compiler, linked
from netlang.backends.cpu.library.learning import Learned, Step
from netlang.backends.cpu.library.source import Net, Weights
from netlang.backends.cpu.library.tables import ROOM_BEHIND, Numbers, ProgramTables, params_of
from netlang.backends.cpu.processors import available
from netlang.backends.cpu.target import ARM, LEVELS, X86, Target, host
from netlang.diagnostics import NetError
from netlang.ir.reserved import STEP

_HERE = Path(__file__).parent
_MAGIC = b"netlang weights\0"
_PAGE = 4096
_PREFIX = "netlang"


def library(graphs: Sequence[Deployed], said: Said, request: Request, style: Style, options: Options) -> Library:
    """The library of these nets and training steps, as `netlang.backends.base.Linking` says."""
    compiler()  # told before anything takes time
    maker = _Maker(graphs, said, request, options)
    body = said.weights.tobytes()
    where = Weights(len(body), sha256(body).digest(), style.weights)
    files = maker.files(where)
    if style.weights is None:
        files[source.WEIGHTS] = body
    for path in sorted(_HERE.glob("*.[ch]")):
        files[path.name] = _renamed(path.read_text(encoding="utf-8"), style.prefix).encode()
    header = files["api.h"].decode().replace("@NETS@", maker.said())
    exports = re.findall(rf"\b{style.prefix}_\w+(?=\()", header)
    made = linked(style.name, files, sorted(set(exports)))
    return Library(made, header, None if style.weights is None else _file(where, body))


def _renamed(text: str, prefix: str) -> str:
    """The sources with other names of functions and types."""
    found = re.sub(rf"\b{_PREFIX}_", f"{prefix}_", text)
    return re.sub(rf"\b{_PREFIX.upper()}_", f"{prefix.upper()}_", found)


def _file(where: Weights, weights: bytes) -> bytes:
    """Weights as a file beside a library, as `weights.c` reads it."""
    head = _MAGIC + where.id
    return head.ljust(_PAGE, b"\0") + weights + bytes(ROOM_BEHIND)


class _Maker:
    """Code and tables of all levels."""

    def __init__(self, graphs: Sequence[Deployed], said: Said, request: Request, options: Options) -> None:
        self._said = said
        self._learned = Learned(said.learning, said.source, said.weights.nbytes)
        self.nets = [self._net(deployed) for deployed in graphs]
        self.ranges = {deployed.key: _ranges(deployed, request) for deployed in graphs}
        self.constants = Constants()
        self._names: dict[str, str] = {}
        """In C, by symbol."""
        self._kernels: dict[str, tuple[str, str]] = {}
        self._objects: dict[str, bytes] = {}
        self._request, self._options = request, options
        self._programs: dict[str, list[str]] = {net.key: [] for net in self.nets}
        self._declared: list[str] = []
        self._levels = [self._level(name, graphs) for name in _levels(request.machines)]

    def _net(self, deployed: Deployed) -> Net:
        if deployed.key in self._said.nets:
            content = self._said.nets[deployed.key]
            return Net(deployed, deployed.key, content, params_of(content["params"]))
        assert self._said.learning is not None
        section = deployed.key.removeprefix(STEP)
        content = self._said.learning["steps"][section]
        return Net(deployed, f"step of {section or content['net']}", content, self._learned.params(section))

    def files(self, weights: Weights) -> dict[str, bytes]:
        """What the runtime is linked with."""
        made = {"control.h": source.control_header(), "model.c": self._model(weights)}
        texts = {name: text.encode() for name, text in made.items()}
        return {**texts, **self._objects, source.CONSTANTS: bytes(self.constants.body)}

    def said(self) -> str:
        """What is in it, in words."""
        return "In this library:\n" + "".join(f"\n     {net.said(self.ranges[net.key])}" for net in self.nets)

    def _level(self, name: str, graphs: Sequence[Deployed]) -> str:
        """Code and programs of a level; returns its row."""
        backend = Cpu(self._options, replace(LEVELS[name], processors=self._request.threads or available()))
        programs = [program_of(backend, deployed) for deployed in graphs]
        wanted = [line.kernel for program in programs for line in (*program.prologue, *program.lines)]
        compile_missing(list(dict.fromkeys([*wanted, *WALKER])), available(), backend.target)
        for net, program in zip(self.nets, programs, strict=True):
            numbers = Numbers(net.symbols, self._request.largest)
            kernel = partial(self.symbol, target=backend.target)
            table = ProgramTables(program, numbers, kernel, self.constants, net.ports, net.params)
            place = len(self._declared)
            declared, row = table.written(f"program{place}")
            self._declared.append(declared)
            self._programs[net.key].append(row)
            for size, most in numbers.recording.largest.items():
                self.ranges[net.key][size] = self.ranges[net.key][size].up_to(most)
        walker = [self.symbol(kernel, backend.target) for kernel in WALKER]
        return source.level_row(name, backend.target, walker)

    def symbol(self, kernel: Kernel, target: Target) -> str:
        """A kernel's name in C; its object goes into the library."""
        symbol, body = loader.compile_now(kernel, target)
        if symbol not in self._names:
            name = self._names[symbol] = f"kernel{len(self._names)}"
            self._objects[f"{name}.o"] = body
            self._kernels[name] = symbol, kernel.signature.replace("int64", "int64_t")
        return self._names[symbol]

    def _model(self, weights: Weights) -> str:
        rows: list[str] = []
        steps: list[Step] = []
        text = ""
        for i, net in enumerate(self.nets):
            declared, row = net.written(f"net{i}", self.ranges[net.key])
            programs = ",\n".join(self._programs[net.key])
            text += f"{declared}static const struct program net{i}_program[] = {{\n{programs}\n}};\n"
            found = f"{{{row}, net{i}_program}}"
            if net.key in self._said.nets:
                rows.append(found)
            else:
                steps.append(Step(net.key.removeprefix(STEP), found, net.ports["output"]))
        return "\n".join((
            '#include <stddef.h>\n#include "features.h"\n#include "tables.h"',
            source.kernels(self._kernels),
            *self._declared,
            text,
            _counted("struct net", "net", rows),
            self._learned.written(steps, self.nets[0].key, source.port_row),
            _counted("struct level", "level", self._levels),
            source.binary("constants", source.CONSTANTS, Constants.ALIGNMENT),
            source.weights_source(weights),
        ))  # fmt: skip


def _counted(kind: str, name: str, rows: Sequence[str]) -> str:
    return f"const {kind} {name}s[] = {{{', '.join(rows)}}};\nconst int {name}_count = {len(rows)};"


def _ranges(deployed: Deployed, request: Request) -> dict[str, Range]:
    """The sizes that calls may have: no larger than what is asked for."""
    found = size_ranges(deployed.graph)
    for name, most in request.largest.items():
        if name in found:
            found[name] = found[name].up_to(most)
            if most < found[name].least:
                raise NetError(f"net '{deployed.key}' needs {name} to be {found[name].least} at least, not {most}")
    return found


def _levels(machines: Sequence[str]) -> list[str]:
    """The levels, the best first: of one architecture, as a library is, and of this machine's where nobody says."""
    found = asked_levels(machines)
    if not machines:
        return [name for name in found if any({LEVELS[name].arch, host().arch} <= names for names in (X86, ARM))]
    if len({LEVELS[name].arch for name in found}) > 1:
        raise NetError(f"a shared library is for one architecture, not for {', '.join(found)} together")
    return found
