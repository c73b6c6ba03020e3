"""The training step of a `train` section in a file, as users hold it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any

import numpy as np

from netlang.backends.common.gate import Gate
from netlang.backends.common.machine import Run
from netlang.diagnostics import NetError
from netlang.ir.call import Call
from netlang.ir.reserved import LOSS
from netlang.runtime.artifact.signature import Signature
from netlang.runtime.ports import Array, arguments, converted, dtype_of, sizes_of
from netlang.runtime.schedules import Schedule, check_schedule
from netlang.runtime.stepping import Stepping, check_samples


class Step(Stepping):
    """Forward, backward, update: called with a batch, inputs and targets, it changes weights and returns the loss.

        loss = net.step(image=x, label=y)

    Attributes: see `Stepping`. Steps of several threads take turns, and calls of the file's nets wait meanwhile.

    name     of its `train` section
    net      the net that it trains
    batch    samples of a step, as the section says; others work too
    epochs   as the section says
    """

    def __init__(self, name: str, said: Mapping[str, Any], seed: int, run: Run, gate: Gate) -> None:
        """Raises KeyError, TypeError or ValueError for what makes no sense in the manifest."""
        self._signature = Signature.of(said)
        schedule = Schedule(_call(said["schedule"]), float(said["rate"]))
        check_schedule(schedule.call)
        super().__init__(seed, schedule, self._signature.random)
        self.name, self.net = name, str(said["net"])
        self.batch, self.epochs = int(said["batch"]), int(said["epochs"])
        self.updates: tuple[str, ...] = tuple(said["updates"])
        self._run, self._gate = run, gate
        self._wanted = [(p, dtype_of(p.dtype), f"input '{p.name}'") for p in self._signature.inputs]
        self._dtypes = {p.name: p.dtype for p in self._signature.outputs}
        if LOSS not in self._dtypes:
            raise ValueError(f"the step '{name}' has no loss")

    @property
    def inputs(self) -> Mapping[str, str]:
        """Names and types of what it takes: inputs and targets."""
        return MappingProxyType({port.name: port.type for port in self._signature.inputs})

    def __call__(self, *args: Any, **named: Any) -> float:
        """One step on a batch of any size. Returns the loss; `values` has the metrics too.

        Takes the net's inputs and the targets, in order or by keyword. Raises NetError for a wrong name, type, shape
        or label, and where the loss is NaN or infinite; the weights are then as they were before the call.
        """
        ports = self._signature.inputs
        given = arguments([p.name for p in ports], args, named, "the training step")
        arrays = {p.name: converted(given[p.name], dtype, p.type, what) for p, dtype, what in self._wanted}
        check_samples(sizes_of(ports, {n: a.shape for n, a in arrays.items()}))
        self._signature.check_bounds(arrays)
        with self._gate.changing():
            outputs = self._run(self.fed(arrays))
            self.values = {name: _number(value, self._dtypes[name]) for name, value in outputs.items()}
            loss = self.values[LOSS]
            if not isfinite(loss):
                raise NetError(
                    f"the loss is {loss} in step {self.steps + 1} at learning rate {self.learning_rate:g}; the weights "
                    "were left as they were"
                )
            self.steps += 1
        return loss

    def __reduce__(self) -> Any:
        raise TypeError("a step holds machine code and cannot be copied or pickled; save_checkpoint() keeps its state")

    def __repr__(self) -> str:
        takes = ", ".join(f"{n}: {t}" for n, t in self.inputs.items())
        return f"<Step {self.name or self.net}({takes})>"


def _number(value: Array, dtype: str) -> float:
    """A scalar; bfloat16 without the package that knows it comes as its bits."""
    if dtype == "bf16" and value.dtype == np.uint16:
        return float((value.astype(np.uint32) << 16).view(np.float32))
    return float(value)


def _call(said: Mapping[str, Any]) -> Call:
    return Call(said["name"], {k: _call(v) if isinstance(v, dict) else v for k, v in said["args"].items()})
