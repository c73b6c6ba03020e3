"""Memory of one call of a lowered graph, for given sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate

from netlang import placement
from netlang.backends.common.context import Context
from netlang.backends.common.homes import Homes
from netlang.backends.common.steps import Buffer, Scratch, Sizes, evaluated
from netlang.ir.graph import Node, Value
from netlang.passes.memory import MemoryPlan, plan
from netlang.placement import ALIGNMENT, align, place


def plan_memory(context: Context, homes: Homes, sizes: Sizes) -> MemoryPlan:
    """Offsets in the arena for these sizes, and the bytes of what is kept per set of parameters."""

    def size_of(value: Value) -> int:
        # A tensor without elements has a place too: steps are given its address.
        return max(1, evaluated(context.storage_bytes(value.type), sizes)) if homes.in_arena(value) else 0

    def scratch(node: Node) -> int:
        return scratch_places(context, homes, node, sizes)[1]

    found = _plan(context, sizes, size_of, scratch)
    return replace(found, kept=sum(kept_bytes(context, buffer) for buffer in homes.kept))


def plan_lives(context: Context, homes: Homes) -> MemoryPlan:
    """When memory is needed, and what is computed in place of what, which no size enters: its offsets mean nothing."""

    def size_of(value: Value) -> int:
        return ALIGNMENT if homes.in_arena(value) else 0

    def scratch(node: Node) -> int:
        return 0 if homes.hoisted.issuperset(context.scratches.get(node, ())) else ALIGNMENT

    return _plan(context, {}, size_of, scratch)


def _plan(
    context: Context, sizes: Sizes, size_of: Callable[[Value], int], scratch: Callable[[Node], int]
) -> MemoryPlan:
    def may_alias(node: Node, index: int) -> bool:
        return index in context.in_place.get(node, ())

    within = {value: found.whole for value, found in context.slices.items()}
    return plan(context.graph, sizes, size_of=size_of, scratch=scratch, may_alias=may_alias, within=within, run_on=True)


def kept_bytes(context: Context, buffer: Buffer) -> int:
    """Bytes of a buffer that is filled once per set of parameters: no size of a call enters."""
    return evaluated(context.storage_bytes(buffer.type) if isinstance(buffer, Value) else buffer.bytes, {})


def scratch_places(context: Context, homes: Homes, node: Node, sizes: Sizes) -> tuple[dict[Scratch, int], int]:
    """Where a node's scratch buffers are in its working memory, and the size of that. They lie side by side, but for
    those of which it is known when they are needed."""
    found = [s for s in context.scratches.get(node, ()) if s not in homes.hoisted]
    bytes = [align(evaluated(s.bytes, sizes)) for s in found]
    if all(s in context.lives for s in found):
        places, peak = place([placement.Buffer(b, *context.lives[s]) for s, b in zip(found, bytes, strict=True)])
        return dict(zip(found, places, strict=True)), peak
    ends = list(accumulate(bytes, initial=0))
    return dict(zip(found, ends, strict=False)), ends[-1]
