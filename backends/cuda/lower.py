"""The cuda backend's table of lowerings, and what they may ask for besides what all backends offer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from netlang.backends.common.context import Context
from netlang.backends.common.lowerings import Lowerings, Sliceable
from netlang.backends.common.nest import Nest
from netlang.backends.common.steps import Buffer, Number, Place, Step
from netlang.backends.cuda.copy_bytes import copy_bytes
from netlang.backends.cuda.nest_steps import nest_steps, writes_in_place
from netlang.backends.cuda.target import CudaTarget
from netlang.ir.graph import Node


@dataclass(eq=False)
class LoweringContext(Context):
    """The context of a graph that is lowered for a GPU."""

    target: CudaTarget = field(default_factory=lambda: CudaTarget("80"))
    own: ClassVar[tuple[str, ...]] = ("target",)

    @property
    def precision(self) -> str:
        """How products of float32 tensors are computed, where the target can: float32, tf32, bf16 or f16."""
        return self.options.precision

    @property
    def channel_block(self) -> int:
        return 0

    def lower(self, node: Node) -> list[Step]:
        return LOWERINGS.lower(self, node)

    def sliceable(self, node: Node) -> Sliceable:
        return LOWERINGS.sliceable(self, node)

    def nest_steps(self, nest: Nest) -> list[Step]:
        return nest_steps(self, self.target, nest)

    def writes_in_place(self, nest: Nest, buffer: Buffer) -> bool:
        return writes_in_place(nest, buffer)

    def copy_bytes(self, source: Place, target: Place, bytes: Number) -> Step:
        return copy_bytes(source, target, bytes)


LOWERINGS: Lowerings[LoweringContext] = Lowerings("cuda")
lowering = LOWERINGS.lowering
lower = LOWERINGS.lower
