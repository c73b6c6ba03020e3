"""Attempts in a process of their own, on a GPU; one line of JSON for each, as soon as it is measured.

python -m benchmarks.gpu.measure "resnet50 inference 1 tf32 netlang" "resnet50 inference 1 tf32 torch" --until TIME
python -m benchmarks.gpu.measure --warm "resnet50 inference 1 tf32"      has torch.compile fill its cache alone

An attempt that fails ends the process: what it has done to the GPU's state must not meet the next one. Several such
processes may prepare theirs side by side; while one uses the GPU, the others that were given the same --lock wait.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.cells import COMPILED, OWN, Attempt, Cell, Figure
from benchmarks.layers import Layer, layers
from benchmarks.networks import images, labels, load_net, settle
from netlang.driver import assemble, backend_for, options
from netlang.runtime.arrays import Array
from netlang.runtime.model import Model

SECONDS = 0.25
"""For the timed calls of one contender."""
FEWEST, MOST = 7, 50
"""Timed calls of ours."""


class Session:
    """Contenders on one cell after the other. All of a cell have the same parameters."""

    def __init__(self, lock: Path | None = None) -> None:
        self._lock = lock
        self._cell: Cell | None = None
        self._model: Model | None = None
        self._params: dict[str, Array] = {}
        self._own: Array | None = None
        """What ours has computed for the cell."""

    def measured(self, attempt: Attempt) -> Figure:
        """The figure of an attempt. Raises whatever makes it fail."""
        if attempt.cell != self._cell:
            self._model, self._own = _model(attempt.cell), None
            self._cell = attempt.cell
            self._params = {name: np.array(array) for name, array in self._model.parameters.items()}
        return self._ours(attempt) if attempt.who == OWN else self._peer(attempt)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The GPU to itself, as far as others go by the lock."""
        if self._lock is None:
            yield
            return
        with self._lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _ours(self, attempt: Attempt) -> Figure:
        cell, model = attempt.cell, self._model
        assert model is not None
        trainer: Any = model.trainer(0) if cell.mode == "training" else None
        (trainer.programs.step if trainer else model.compiled).build()
        with self.alone():
            if trainer:
                self._own, seconds, memory = _training(model, trainer, cell)
            else:
                settle(model, cell.batch)
                self._params = {name: np.array(array) for name, array in model.parameters.items()}
                self._own, seconds, memory = _inference(model, cell)
        # Its memory goes with it; the peers have their own copies of the parameters.
        self._model = model = trainer = None
        gc.collect()
        return Figure(attempt.name, seconds, memory=memory)

    def _peer(self, attempt: Attempt) -> Figure:
        """The better one of several layouts counts."""
        from benchmarks.gpu import torch_cuda

        cell, difference, found = attempt.cell, 0.0, float("inf")
        torch_cuda.set_precision(cell.precision)
        for last in (True,) if attempt.who == COMPILED else (False, True):
            call = _made(cell, self._params, attempt.who == COMPILED, last)
            if attempt.who == COMPILED:
                theirs = torch_cuda.to_numpy(call())  # compiles, which takes the processor alone
            with self.alone():
                theirs = torch_cuda.to_numpy(call()) if attempt.who != COMPILED else theirs
                found = min(found, torch_cuda.median(call, SECONDS))
            if self._own is not None:
                apart = np.abs(self._own - theirs.reshape(self._own.shape)).max() / np.abs(theirs).max()
                difference = max(difference, float(apart))
            del call
            torch_cuda.forget()
        return Figure(attempt.name, found, difference if self._own is not None else None)


def _inference(model: Model, cell: Cell) -> tuple[Array, float, int]:
    """Output, seconds and planned memory of ours."""
    x = images(model, cell.batch)
    own: Array = model(x)
    executable: Any = model.compiled.executable  # type: ignore[attr-defined]
    name = next(iter(model.inputs))
    seconds = _median(lambda calls: executable.seconds({name: x}, model.store, calls))
    return own, seconds, executable.planned_bytes({"N": cell.batch})


def _training(model: Model, trainer: Any, cell: Cell) -> tuple[Array, float, int]:
    """The loss of a first step, seconds and planned memory of ours."""
    given = images(model, cell.batch), labels(model, cell.batch)
    losses = np.array([trainer(*given)])
    step: Any = trainer.programs.step.executable
    arrays = trainer.fed({v.node.name: a for v, a in zip(trainer.inputs, given, strict=True)})
    seconds = _median(lambda calls: step.seconds(arrays, trainer.store, calls))
    return losses, seconds, step.planned_bytes({"N": cell.batch})


def _median(timed: Callable[[int], list[float]]) -> float:
    first = statistics.median(timed(3))
    return statistics.median(timed(int(min(MOST, max(FEWEST, SECONDS / first)))))


def _model(cell: Cell) -> Model:
    backend = backend_for("cuda", options(precision=cell.precision, batch=cell.batch))
    return assemble(load_net(cell.net), backend).init(0)


def _made(cell: Cell, params: Mapping[str, Array], compiled: bool, last: bool) -> Callable[[], Any]:
    """A call of PyTorch."""
    from benchmarks.gpu import torch_cuda

    # Its code is never generated: this is where inputs and layers are known.
    model = assemble(load_net(cell.net), backend_for("reference"))
    x = images(model, cell.batch)
    if cell.mode == "inference":
        plan: list[Layer] = layers(model.net.outputs[0][1])
        return torch_cuda.inference(plan, params, x, cell.precision, last=last, compiled=compiled)
    spec = model.module.train
    assert spec is not None
    loss = next(n for n in spec.graph.nodes if n.op == "cross_entropy")
    plan, label, sgd = layers(loss.inputs[0]), labels(model, cell.batch), spec.optimizer.args
    return torch_cuda.training(plan, params, x, label, sgd, cell.precision, last=last, compiled=compiled)


def warm(cell: Cell) -> None:
    """Have torch.compile compile for a cell: what the parameters are makes no difference."""
    from benchmarks.gpu import torch_cuda

    torch_cuda.set_precision(cell.precision)
    model = _model(cell)
    call = _made(cell, model.parameters, True, True)
    for _ in range(2):
        call()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+", help="attempts; with --warm a cell")
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--until", type=float, default=float("inf"), help="no attempt is begun after this time")
    parser.add_argument("--lock", type=Path)
    args = parser.parse_args()
    if args.warm:
        warm(Cell.named(args.names[0]))
        return 0
    session = Session(args.lock)
    for name in args.names:
        if time.time() > args.until:
            break
        try:
            figure = session.measured(Attempt.named(name))
        except Exception as fault:  # whatever it is: it is this attempt's, and said in the table
            figure = Figure(name, missing=f"{type(fault).__name__}: {fault}".split("\n")[0][:200])
        print(json.dumps(figure.told()), flush=True)
        if figure.missing:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
