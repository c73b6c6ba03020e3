"""What a program keeps on the device besides parameters: constants, and what follows from parameters alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from netlang.backends.common.homes import External, Homes, buffers
from netlang.backends.common.planning import kept_bytes, plan_memory
from netlang.backends.common.steps import Buffer, Sizes, Step
from netlang.backends.cuda.addresses import Addresses
from netlang.backends.cuda.device import Device
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.resident import Resident
from netlang.backends.cuda.steps import Launch
from netlang.ir.graph import Value
from netlang.passes.memory import MemoryPlan


class Prepared:
    """Carries out the steps of the prologue: those that some sizes need, once for each state of the parameters."""

    def __init__(self, device: Device, context: LoweringContext, homes: Homes, steps: Sequence[Step]) -> None:
        """`steps` are those of a call."""
        self._device, self._context, self._homes, self._steps = device, context, homes, steps
        self.places: dict[Buffer, int] = {}
        """Addresses of constants, and of the results of the steps that are needed so far."""
        self._needed: dict[int, Launch] = {}
        """By the step of the prologue, in the order in which they became necessary."""
        self._uploaded = False
        self._done = 0
        """So many of those are carried out for the parameters as they are."""
        self._generations: tuple[int, ...] | None = None

    def need(self, sizes: Sizes) -> None:
        """Have room for all that a call with these sizes reads."""
        if not self._uploaded:
            self._upload_constants()
        for step in self._homes.prologue:
            assert isinstance(step, Launch)
            if id(step) not in self._needed and step.is_taken(sizes):
                self._needed[id(step)] = replace(step, taken=None)
                for buffer in map(self._storage, step.writes):
                    if buffer not in self.places:
                        self.places[buffer] = self._device.allocate(max(1, kept_bytes(self._context, buffer)))

    def carry_out(self, residents: Mapping[str, Resident]) -> None:
        """Whatever is needed and not yet done for the parameters as they are."""
        generations = tuple(resident.generation for resident in residents.values())
        if generations != self._generations:
            self._done, self._generations = 0, generations
        if self._done == len(self._needed):
            return
        external = {External("param", name): resident.address for name, resident in residents.items()}
        addresses = Addresses(self._context, self._homes, self.places, external, {})
        self._device.record(addresses.launches([*self._needed.values()][self._done :])).replay()
        self._done = len(self._needed)

    def forget(self) -> None:
        """Parameters are somewhere else now."""
        self._generations = None

    def _storage(self, buffer: Buffer) -> Buffer:
        return self._context.storage(buffer) if isinstance(buffer, Value) else buffer

    def _upload_constants(self) -> None:
        read = [b for step in (*self._homes.prologue, *self._steps) for b in buffers(step) if isinstance(b, Value)]
        read += [self._context.storage(copy.source) for copy in self._homes.copies]
        for value in dict.fromkeys(v for v in read if v.node.op == "const"):
            array = np.ascontiguousarray(value.node.attrs["value"])
            self.places[value] = self._device.allocate(max(1, array.nbytes))
            self._device.upload(self.places[value], array)
        self._uploaded = True


def planned(context: LoweringContext, homes: Homes, sizes: Sizes) -> MemoryPlan:
    """The memory of a call: its arena, and what is kept per set of parameters for these sizes."""
    taken = [step for step in homes.prologue if isinstance(step, Launch) and step.is_taken(sizes)]
    written = {context.storage(b) if isinstance(b, Value) else b for step in taken for b in step.writes}
    kept = sum(kept_bytes(context, buffer) for buffer in homes.kept & written)
    return replace(plan_memory(context, homes, sizes), kept=kept)
