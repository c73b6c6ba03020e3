"""Nets compiled into files, once for all tests of a session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from netlang.backends.base import Request
from netlang.backends.cpu.artifact.code import missing_features
from netlang.backends.cpu.target import LEVELS
from netlang.driver import assemble, backend_for
from netlang.frontend import load
from netlang.ir.types import DType
from netlang.runtime.model import Model
from netlang.runtime.trainer import Trainer
from netlang.shipping import write_nets


def runnable() -> list[str]:
    """The levels that this machine has, the best first."""
    names = reversed(LEVELS)
    return [n for n in names if not missing_features({"arch": LEVELS[n].arch, "needs": sorted(LEVELS[n].needs)})]


BEST = runnable()[:1]

SMALL = """
net small {
  input image: f32[N, 3, 9, 9]
  output probs = image -> conv(8, 3) -> batchnorm -> relu -> maxpool(2) -> flatten -> dense(5) -> softmax
}
"""


def model_of(text: str, net: str | None = None) -> Model:
    """A net with its first weights."""
    return assemble(load(text), backend_for("cpu"), net, 2).init(1)


def write(
    path: Path,
    *models: Model,
    levels: list[str] | None = None,
    threads: int | None = None,
    store_as: str | None = None,
    trainers: Sequence[Trainer] = (),
    **largest: int,
) -> Path:
    """A file for the best level of this machine, or for these."""
    wanted = tuple(BEST if levels is None else levels)
    request = Request(wanted, threads, largest, store_as and DType(store_as))
    write_nets(path, models, backend_for("cpu"), request, trainers)
    return path


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    model = model_of(SMALL)
    return model, write(tmp_path_factory.mktemp("small") / "small.netc", model)
