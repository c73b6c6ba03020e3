"""Cells of one net in a process of its own, on a GPU; one line of JSON for each, as soon as it is measured.

python -m benchmarks.gpu.measure "resnet50 inference 1 tf32" "resnet50 inference 64 tf32" --until 1732190000
python -m benchmarks.gpu.measure --warm "resnet50 inference 1 tf32"      fills the caches of compiled code alone
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.gpu import torch_cuda
from benchmarks.gpu.cells import COMPILED, EAGER, OWN, Cell, Measured
from benchmarks.layers import Layer, layers
from benchmarks.networks import images, labels, load_net, settle
from netlang.driver import assemble, backend_for, options
from netlang.runtime.arrays import Array
from netlang.runtime.model import Model

SECONDS = 0.25
"""For the timed calls of one contender."""
CALLS = 50


def measure(cell: Cell, compiled: bool) -> Measured:
    """Ours and the peers on a cell, outputs compared."""
    found = Measured(cell.name)
    torch_cuda.set_precision(cell.precision)
    model = _model(cell)
    start = {name: np.array(array) for name, array in model.parameters.items()}
    own = (_own_inference if cell.mode == "inference" else _own_training)(model, cell, found)
    contenders = {EAGER: (False, True), COMPILED: (True,)} if compiled else {EAGER: (False, True)}
    for name, layouts in contenders.items():
        for last in layouts:
            _peer(cell, model, start, found, own, name, last)
    return found


def _own_inference(model: Model, cell: Cell, found: Measured) -> Array:
    x = images(model, cell.batch)
    own: Array = model(x)
    executable: Any = model.compiled.executable  # type: ignore[attr-defined]
    name = next(iter(model.inputs))
    found.medians[OWN] = statistics.median(executable.seconds({name: x}, model.store, CALLS))
    found.memory = executable.planned_bytes({"N": cell.batch})
    return own


def _own_training(model: Model, cell: Cell, found: Measured) -> Array:
    trainer = model.trainer(0)
    given = _given(model, cell)
    losses = np.array([trainer(*given)])
    step: Any = trainer.programs.step.executable
    arrays = trainer.fed({v.node.name: a for v, a in zip(trainer.inputs, given, strict=True)})
    found.medians[OWN] = statistics.median(step.seconds(arrays, trainer.store, CALLS))
    found.memory = step.planned_bytes({"N": cell.batch})
    return losses


def _given(model: Model, cell: Cell) -> tuple[Array, Array]:
    return images(model, cell.batch), labels(model, cell.batch)


def _model(cell: Cell) -> Model:
    backend = backend_for("cuda", options(precision=cell.precision, batch=cell.batch))
    model = assemble(load_net(cell.net), backend).init(0)
    settle(model)
    return model


def _peer(
    cell: Cell, model: Model, params: Mapping[str, Array], found: Measured, own: Array, name: str, last: bool
) -> None:
    """Time one variant of a peer; the better of several counts."""
    try:
        call = _made(cell, model, params, name == COMPILED, last)
        theirs = torch_cuda.to_numpy(call()).reshape(own.shape)
        found.differences[name] = float(np.abs(own - theirs).max() / np.abs(theirs).max())
        taken = torch_cuda.median(call, SECONDS)
    except Exception as fault:  # a peer that fails has no figure; it does not stop the table
        found.missing[name] = f"{type(fault).__name__}: {fault}"[:200]
        return
    found.medians[name] = min(taken, found.medians.get(name, taken))


def _made(cell: Cell, model: Model, params: Mapping[str, Array], compiled: bool, last: bool) -> Callable[[], Any]:
    spec = model.module.train
    assert spec is not None
    if cell.mode == "inference":
        plan: list[Layer] = layers(model.net.outputs[0][1])
        x = images(model, cell.batch)
        return torch_cuda.inference(plan, params, x, cell.precision, last=last, compiled=compiled)
    loss = next(n for n in spec.graph.nodes if n.op == "cross_entropy")
    x, label = _given(model, cell)
    return torch_cuda.training(
        layers(loss.inputs[0]), params, x, label, spec.optimizer.args, cell.precision, last=last, compiled=compiled
    )


def warm(cell: Cell) -> None:
    """Compile for a cell what can be kept on disk: our kernels, and what torch.compile caches."""
    torch_cuda.set_precision(cell.precision)
    model = _model(cell)
    params = {name: np.array(array) for name, array in model.parameters.items()}
    if cell.mode == "inference":
        model(images(model, cell.batch))
    else:
        model.trainer(0)(*_given(model, cell))
    call = _made(cell, model, params, True, True)
    for _ in range(2):
        call()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cells", nargs="+")
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--compiled", nargs="*", default=[], help="cells in which torch.compile is measured too")
    parser.add_argument("--until", type=float, default=float("inf"), help="no cell is begun after this time")
    args = parser.parse_args()
    for name in args.cells:
        if time.time() > args.until:
            break
        if args.warm:
            warm(Cell.named(name))
        else:
            print(json.dumps(measure(Cell.named(name), name in args.compiled).told()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
