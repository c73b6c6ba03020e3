"""The cells of the GPU's table, and what a measurement of one tells."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.networks import NETS

PRECISIONS = ("float32", "tf32", "bf16")
BATCHES = (1, 64)
MODES = ("inference", "training")
OWN, EAGER, COMPILED = "netlang", "torch", "torch.compile"


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


@dataclass
class Measured:
    """Medians of single calls in seconds by the device's clock, by contender; the largest difference of each peer's
    output (or losses) from ours, as a part of the peer's largest; bytes of device memory that ours plans, without
    weights; why a contender has no figure."""

    cell: str
    medians: dict[str, float] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    memory: int = 0
    missing: dict[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        return asdict(self)


def cells() -> list[Cell]:
    """All cells, the ones that the aims are about first."""
    found = [Cell(n, m, b, p) for m in MODES for b in BATCHES for p in ("tf32", "float32", "bf16") for n in NETS]
    return sorted(found, key=lambda c: (c.mode, c.batch))
