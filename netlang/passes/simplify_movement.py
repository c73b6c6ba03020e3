"""Rows of `simplify` for ops that only move elements, and for the matmuls and elementwise ops that read them."""

from __future__ import annotations

import netlang.ops  # noqa: F401  (the rows below are made from the registry)
from netlang.ir.build import Builder
from netlang.ir.graph import Node, Value
from netlang.ir.opdef import registered
from netlang.ir.rewrite import Replacement, Row

_NOT_BROADCAST_THROUGH = frozenset({"prelu", "stop_gradient"})
"""Elementwise ops whose first input must have the shape of the result, or that stand for something else."""


def _same_type(node: Node) -> bool:
    return node.inputs[0].type == node.out.type


def _input(build: Builder, node: Node) -> Replacement:
    return node.inputs[0]


def _repeats(node: Node) -> bool:
    """The input comes from the same op."""
    return node.inputs[0].node.op == node.op


def _at_once(build: Builder, node: Node) -> Replacement:
    """reshape(reshape(x)) and broadcast(broadcast(x)): only the last shape counts."""
    source = node.inputs[0].node.inputs[0]
    return source if source.type == node.out.type else build.op(node.op, source, shape=node.out.shape)


def _is_identity(node: Node) -> bool:
    perm = node.attrs["perm"]
    return tuple(perm) == tuple(range(len(perm)))


def _transpose_once(build: Builder, node: Node) -> Replacement:
    inner = node.inputs[0].node
    perm = tuple(inner.attrs["perm"][p] for p in node.attrs["perm"])
    return build.op("transpose", inner.inputs[0], perm=perm)


def _moves_only_ones(node: Node) -> bool:
    """The axes that are longer than 1 stay in order: the elements stay where they are."""
    shape = node.inputs[0].shape
    moved = [p for p in node.attrs["perm"] if shape[p] != 1]
    return moved == sorted(moved)


def _as_reshape(build: Builder, node: Node) -> Replacement:
    return build.reshape(node.inputs[0], node.out.shape)


def _takes_all(node: Node) -> bool:
    """A slice of everything. A step above 1 never takes all of an axis of unknown size."""
    return node.attrs["start"] == 0 and node.attrs["stop"] == node.inputs[0].shape[node.attrs["axis"]] and _unit(node)


def _unit(node: Node) -> bool:
    return bool(node.attrs["step"] == 1)


def _pads_nothing(node: Node) -> bool:
    return all(p == 0 for p in (*node.attrs["low"], *node.attrs["high"]))


def _reverses_nothing(node: Node) -> bool:
    return all(node.inputs[0].shape[a] == 1 for a in node.attrs["axes"])


def _swaps_last_two(value: Value) -> bool:
    """Is the value the transpose of a matrix, or of every matrix of a batch?"""
    if value.node.op != "transpose":
        return False
    perm = tuple(value.node.attrs["perm"])
    rank = len(perm)
    return rank >= 2 and perm == (*range(rank - 2), rank - 1, rank - 2)


def _reads_transposed(index: int) -> Row:
    """matmul of a transposed operand: the flag says so at no cost."""
    flag = "transpose_b" if index else "transpose_a"

    def replace(build: Builder, node: Node) -> Replacement:
        inputs = list(node.inputs)
        inputs[index] = inputs[index].node.inputs[0]
        return build.op("matmul", *inputs, **{**node.attrs, flag: not node.attrs[flag]})

    return Row("matmul", lambda n: _swaps_last_two(n.inputs[index]), replace, absorbs=(index,))


def _reads_broadcast(node: Node) -> bool:
    return any(v.node.op == "broadcast" for v in node.inputs)


def _broadcast_later(build: Builder, node: Node) -> Replacement:
    """Elementwise ops broadcast by themselves; where no operand has the full shape, the result is broadcast instead."""
    inputs = [v.node.inputs[0] if v.node.op == "broadcast" else v for v in node.inputs]
    return build.broadcast(build.op(node.op, *inputs, **node.attrs), node.out.shape)


MOVEMENT: tuple[Row, ...] = (
    Row("reshape", _same_type, _input),
    Row("reshape", _repeats, _at_once, absorbs=(0,)),
    Row("broadcast", _same_type, _input),
    Row("broadcast", _repeats, _at_once, absorbs=(0,)),
    Row("transpose", _is_identity, _input),
    Row("transpose", _repeats, _transpose_once, absorbs=(0,)),
    Row("transpose", _moves_only_ones, _as_reshape),
    Row("concat", lambda n: len(n.inputs) == 1, _input),
    Row("slice", _takes_all, _input),
    Row("pad", _pads_nothing, _input),
    Row("reverse", _reverses_nothing, _input),
    _reads_transposed(0),
    _reads_transposed(1),
    *(
        Row(name, _reads_broadcast, _broadcast_later)
        for name, record in registered().items()
        if "elementwise" in record.traits and name not in _NOT_BROADCAST_THROUGH
    ),
)
