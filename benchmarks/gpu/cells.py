"""The cells of the GPU's table, who is measured on each, and what a measurement tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.networks import NETS

PRECISIONS = ("tf32", "float32", "bf16")
BATCHES = (1, 64)
MODES = ("inference", "training")
OWN, EAGER, COMPILED = "netlang", "torch", "torch.compile"
CONTENDERS = (OWN, EAGER, COMPILED)


@dataclass(frozen=True)
class Cell:
    """One net in one mode, batch and precision."""

    net: str
    mode: str
    batch: int
    precision: str

    @property
    def name(self) -> str:
        return f"{self.net} {self.mode} {self.batch} {self.precision}"

    @staticmethod
    def named(name: str) -> Cell:
        net, mode, batch, precision = name.split()
        return Cell(net, mode, int(batch), precision)


@dataclass(frozen=True)
class Attempt:
    """One contender on a cell."""

    cell: Cell
    who: str

    @property
    def name(self) -> str:
        return f"{self.cell.name} {self.who}"

    @staticmethod
    def named(name: str) -> Attempt:
        cell, _, who = name.rpartition(" ")
        return Attempt(Cell.named(cell), who)


@dataclass(frozen=True)
class Figure:
    """What an attempt came to.

    seconds      median of single calls by the device's clock; None where there is none, and `missing` says why
    difference   of a peer: the largest difference of its output, or loss, from ours, as a part of its largest
    memory       of ours: bytes of device memory that it plans, without weights
    """

    attempt: str
    seconds: float | None = None
    difference: float | None = None
    memory: int = 0
    missing: str = ""

    def told(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Measured:
    """The figures of a cell by contender; why some have none."""

    medians: dict[str, float] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    memory: int = 0
    missing: dict[str, str] = field(default_factory=dict)

    def ratio(self, peer: str) -> float | None:
        """How many times as long a peer takes as we do."""
        there = peer in self.medians and OWN in self.medians
        return self.medians[peer] / self.medians[OWN] if there else None


def collected(figures: Sequence[Figure]) -> dict[Cell, Measured]:
    """Figures by cell."""
    found: dict[Cell, Measured] = {}
    for figure in figures:
        attempt = Attempt.named(figure.attempt)
        cell = found.setdefault(attempt.cell, Measured())
        if figure.seconds is not None:
            cell.medians[attempt.who] = figure.seconds
        if figure.difference is not None:
            cell.differences[attempt.who] = figure.difference
        if figure.missing:
            cell.missing[attempt.who] = figure.missing
        cell.memory = cell.memory or figure.memory
    return found


def cells(nets: Sequence[str] = ()) -> list[Cell]:
    """All cells of these nets, or of all: the ones that the aims are about most are first."""
    wanted = [name for name in NETS if not nets or name in nets]
    return [Cell(n, m, b, p) for m in MODES for b in BATCHES for p in PRECISIONS for n in wanted]


def groups(wanted: Sequence[Cell]) -> list[list[Cell]]:
    """Cells that are measured in one process, one after the other: those of a net in a mode."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in wanted:
        found.setdefault((cell.mode, cell.net), []).append(cell)
    return list(found.values())


def attempts(group: Sequence[Cell], skipped: Mapping[str, str]) -> list[Attempt]:
    """The attempts at the cells of a group, without those that are skipped."""
    listed = [Attempt(cell, who) for cell in group for who in CONTENDERS]
    return [attempt for attempt in listed if attempt.name not in skipped]
