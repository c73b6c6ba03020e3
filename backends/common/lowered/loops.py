"""Lowerings of everything that is one loop nest: elementwise ops, reductions, normalisations, fused loops."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from netlang.backends.common.context import Context
from netlang.backends.common.expansions import EXPANSIONS
from netlang.backends.common.lowerings import AnyLowerings, Sliceable, lowering_name
from netlang.backends.common.nest import Nest
from netlang.backends.common.nest_build import build_nest
from netlang.backends.common.scalars import SCALAR_OPS
from netlang.backends.common.steps import Buffer, Step
from netlang.ir.dims import Dim, Shape
from netlang.ir.graph import Node, Value
from netlang.ir.opdef import opdef

_REDUCTIONS = frozenset({"reduce_sum", "reduce_mean", "reduce_max", "reduce_min"})
_SINGLE = frozenset({*SCALAR_OPS, *EXPANSIONS, *_REDUCTIONS, "one_hot", "extent", "iota"})


@lru_cache(maxsize=1)  # asked twice in a row: whether it fits, and to carry it out
def nest_of(context: Context, node: Node) -> Nest | None:
    """The nest that carries out a node, or None."""
    if node.body is None:
        # The exponent of a power decides on the code; other constants are read, so that they share a kernel.
        known = node.inputs[1:] if node.op == "pow" and node.inputs[1].node.op == "const" else ()
        return build_nest(context, {v: v for v in node.inputs if v not in known}, [(v, v) for v in node.results])
    inputs: Mapping[Value, Buffer] = dict(zip(node.body.inputs, node.inputs, strict=True))
    targets = [(v, r) for (_, v), r in zip(node.body.outputs, node.results, strict=True)]
    return build_nest(context, inputs, targets)


def in_one_layout(context: Context, node: Node) -> tuple[Value, ...]:
    """The inputs and results of a loop that may all have their channels in blocks, if all of them have; none where
    its nest would not keep the channels together, or they would not fill their blocks.

    They are the tensors of the shape that the loop goes over. Channels are kept together by elementwise ops, and by
    reductions over other axes; what else is read is one number per channel, or a broadcast of some other kind.
    """
    space = _space(node)
    if space is None or nest_of(context, node) is None or not _fills_blocks(context, space[1]):
        return ()
    return tuple(dict.fromkeys(v for v in (*node.inputs, *node.results) if v.shape == space))


def _fills_blocks(context: Context, channels: Dim) -> bool:
    return isinstance(channels, int) and channels % context.channel_block == 0


def _space(node: Node) -> Shape | None:
    """The shape that all of a node goes over, if its second axis is one of channels that it keeps together."""
    if lowering_name(node) not in (*_SINGLE, "fused.loop") or node.op == "pow":
        return None
    nodes = node.body.nodes if node.body else (node,)
    shapes = [_walked(n) for n in nodes]
    if any(shape is None for shape in shapes):
        return None
    space = max((s for s in shapes if s), key=_longer_axes, default=())
    kept = all(n.op not in _REDUCTIONS or (n.inputs[0].shape == space and 1 not in n.attrs["axes"]) for n in nodes)
    return space if len(space) > 2 and kept else None


def _longer_axes(shape: Shape) -> int:
    return sum(d != 1 for d in shape)


def _walked(node: Node) -> Shape | None:
    """The shape that one node of a loop goes over, () where that does not matter; None where it may mix axes."""
    if node.op in ("input", "const", "extent"):
        return ()
    if node.op == "reshape":
        return () if _longer_axes(node.out.shape) < 2 else None
    if node.op in (*_REDUCTIONS, "batchnorm_train"):
        return node.inputs[0].shape
    alike = node.op in ("batchnorm", "broadcast", "stop_gradient") or opdef(node.op).traits & {"elementwise", "random"}
    return node.out.shape if alike else None


def _fits(context: Context, node: Node) -> bool:
    return nest_of(context, node) is not None


def _anywhere(context: Context, node: Node) -> Sliceable:
    return Sliceable(range(len(node.inputs)), range(len(node.results)))


def loop(context: Context, node: Node) -> list[Step]:
    """One kernel for the whole node."""
    nest = nest_of(context, node)
    assert nest is not None
    if node is context.owner:
        context.allow_in_place(*(i for i, v in enumerate(node.inputs) if context.writes_in_place(nest, v)))
    return context.nest_steps(nest)


def register(table: AnyLowerings) -> None:
    """Elementwise ops, reductions, normalisations, fused loops."""
    table.lowering(*sorted(_SINGLE), "fused.loop", match=_fits, slices=_anywhere)(loop)
