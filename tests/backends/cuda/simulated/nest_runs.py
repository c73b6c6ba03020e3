"""Launches of a nest in the simulator, on arrays by scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlang.backends.common.steps import At, Scratch, Step, evaluated
from netlang.backends.cuda.simulator import Memory, run
from netlang.backends.cuda.steps import Launch

Array = NDArray[Any]


def carried_out(steps: Sequence[Step], arrays: Mapping[Scratch, Array]) -> dict[Scratch, Array]:
    """What is in every array after the steps; other scratches get memory of their own."""
    memory = Memory()
    places: dict[Scratch, int] = {}
    for scratch, array in arrays.items():
        places[scratch] = memory.allocate(array.nbytes)
        memory.view(places[scratch], array.dtype, array.shape)[...] = array

    def argument(arg: Any) -> int:
        if isinstance(arg, At):
            return argument(arg.buffer) + evaluated(arg.offset, {})
        if isinstance(arg, Scratch):
            if arg not in places:
                places[arg] = memory.allocate(evaluated(arg.bytes, {}))
            return places[arg]
        return evaluated(arg, {})

    for step in steps:
        assert isinstance(step, Launch)
        grid = tuple(evaluated(n, {}) for n in step.grid)
        kernel = step.kernel
        assert len(kernel.arguments) == len(step.args) and len(grid) == 3
        if 0 not in grid:
            run(kernel.source(), [*map(argument, step.args)], grid, kernel.threads, memory, kernel.shared, "nest")
    return {s: np.array(memory.view(places[s], a.dtype, a.shape)) for s, a in arrays.items()}
