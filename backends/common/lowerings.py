"""The table of lowerings: from nodes to steps, by functions that kernel modules fill in.

    @lowering("conv", priority=10, match=tile_fits)
    def direct_conv(context: LoweringContext, node: Node) -> list[Step]: ...

The name is an op's, or `fused.<kind>` for a fused node. Among the lowerings of a name the highest priority whose
`match(context, node)` holds is taken. A backend has one table; modules of its `kernels` register theirs by being there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from netlang.backends.common.context import Context
from netlang.backends.common.steps import Step
from netlang.diagnostics import error
from netlang.ir.graph import Node

C = TypeVar("C", bound=Context)
Lowering = Callable[[C, Node], Sequence[Step]]
Match = Callable[[C, Node], bool]


@dataclass(frozen=True)
class Sliceable:
    """The inputs and results of a node, by position, that its kernels find by `image_bytes`: they may be slices."""

    inputs: Collection[int] = ()
    results: Collection[int] = ()


SliceRule = Callable[[C, Node], Sliceable]


def _always(context: Context, node: Node) -> bool:
    return True


def _no_slices(context: Context, node: Node) -> Sliceable:
    return Sliceable()


@dataclass(frozen=True)
class _Entry(Generic[C]):
    priority: int
    match: Match[C]
    lower: Lowering[C]
    slices: SliceRule[C]


class Lowerings(Generic[C]):
    """The table of one backend, whose `name` messages give."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._table: dict[str, list[_Entry[C]]] = {}

    def lowering(
        self, *names: str, priority: int = 0, match: Match[C] = _always, slices: SliceRule[C] = _no_slices
    ) -> Callable[[Lowering[C]], Lowering[C]]:
        """Register the decorated function as a way to carry out the ops (or `fused.<kind>`) called `names`; `slices`
        says which tensors of a node may be slices of others."""

        def register(function: Lowering[C]) -> Lowering[C]:
            for name in names:
                entries = self._table.setdefault(name, [])
                entries.append(_Entry(priority, match, function, slices))
                entries.sort(key=lambda e: -e.priority)
            return function

        return register

    def sliceable(self, context: C, node: Node) -> Sliceable:
        """Which tensors of a node may be slices of others, by the lowering that will carry it out."""
        context.owner = node
        entry = self._entry(context, node)
        return entry.slices(context, node) if entry else Sliceable()

    def lower(self, context: C, node: Node) -> list[Step]:
        """The steps that carry out `node`, from the best lowering that matches. Raises NetError if there is none."""
        entry = self._entry(context, node)
        if entry is not None:
            return list(entry.lower(context, node))
        types = ", ".join(str(v.type) for v in node.inputs)
        raise error(f"the {self.name} backend cannot carry out {lowering_name(node)} on ({types})", *node.spans)

    def _entry(self, context: C, node: Node) -> _Entry[C] | None:
        """The best lowering that matches."""
        entries = self._table.get(lowering_name(node), [])
        if node.op == "fused":
            entries = entries + self._table.get("fused", [])
        return next((entry for entry in entries if entry.match(context, node)), None)


AnyLowerings = Lowerings[Any]


def lowering_name(node: Node) -> str:
    """The table's name for a node: its op, or `fused.<kind>`."""
    return f"fused.{node.attrs['kind']}" if node.op == "fused" else node.op
