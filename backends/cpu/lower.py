"""The cpu backend's table of lowerings, and what they may ask for besides what all backends offer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from netlang.backends.common.context import Context
from netlang.backends.common.lowerings import Lowerings, Sliceable
from netlang.backends.common.nest import Nest
from netlang.backends.common.steps import Buffer, Number, Place, Step
from netlang.backends.cpu.copy_bytes import copy_bytes
from netlang.backends.cpu.nest_steps import is_in_place_safe, nest_steps
from netlang.backends.cpu.target import Target, host
from netlang.ir.graph import Node
from netlang.ir.types import DType


@dataclass(eq=False)
class LoweringContext(Context):
    """The context of a graph that is lowered for a machine with a CPU."""

    target: Target = field(default_factory=host)
    own: ClassVar[tuple[str, ...]] = ("target",)

    @property
    def channel_block(self) -> int:
        return self.target.lanes(4)

    @property
    def weight_bytes(self) -> int:
        """Of a float32 weight that `is_fixed`, in the memory of a kernel that can widen it: 2 is bfloat16."""
        return (self.options.weights_as or DType.F32).size

    def lower(self, node: Node) -> list[Step]:
        return LOWERINGS.lower(self, node)

    def sliceable(self, node: Node) -> Sliceable:
        return LOWERINGS.sliceable(self, node)

    def nest_steps(self, nest: Nest) -> list[Step]:
        return nest_steps(self, nest)

    def writes_in_place(self, nest: Nest, buffer: Buffer) -> bool:
        return is_in_place_safe(nest, buffer)

    def copy_bytes(self, source: Place, target: Place, bytes: Number) -> Step:
        return copy_bytes(source, target, bytes)


LOWERINGS: Lowerings[LoweringContext] = Lowerings("cpu")
lowering = LOWERINGS.lowering
lower = LOWERINGS.lower
