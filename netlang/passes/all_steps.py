"""One op for all steps of a loop at once: what a node of the body is when some of its inputs are stacks of all steps.

A stack has the steps as its first axis. Products of a step's rows with a matrix that stays become one product of all
rows; ops on samples, such as convolutions, see the samples of all steps as one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from netlang.ir.build import Builder
from netlang.ir.dims import Dim
from netlang.ir.graph import Node, Value
from netlang.ir.opdef import opdef


@dataclass(frozen=True)
class Given:
    """A node of a body, with its inputs outside the loop: `stacked` says which are stacks of `length` steps."""

    make: Builder
    node: Node
    inputs: tuple[Value, ...]
    stacked: tuple[bool, ...]
    length: Dim

    def attrs(self, **changes: Any) -> dict[str, Any]:
        return {**self.node.attrs, **changes}

    def op(self, *inputs: Value, **changes: Any) -> list[Value]:
        """The results of the node's op on other inputs, with some attributes changed."""
        return list(self.make.node(self.node.op, *inputs, **self.attrs(**changes)).results)


Rule = Callable[[Given], list[Value] | None]


def at_once(given: Given) -> list[Value] | None:
    """The stacks of a node's results, from inputs of which at least one is a stack; None where there is no way."""
    node = given.node
    if "elementwise" in opdef(node.op).traits:
        return _elementwise(given)
    rule = _RULES.get(node.op)
    return rule(given) if rule is not None else None


def _aligned(given: Given, index: int, rank: int) -> Value:
    """An input whose steps stand before `rank` axes, so that it broadcasts as it does in a step."""
    value = given.inputs[index]
    if not given.stacked[index] or value.rank == rank + 1:
        return value
    steps, *rest = value.shape
    return given.make.reshape(value, (steps, *(1,) * (rank + 1 - value.rank), *rest))


def _elementwise(given: Given) -> list[Value]:
    rank = given.node.out.rank
    rows = [_rows(given, i) for i in range(len(given.inputs))]
    if all(v is not None for v in rows):
        # Right after a product of all rows: it stays one matrix, and a bias goes into the product.
        results = given.op(*(v for v in rows if v is not None))
        return [
            given.make.reshape(v, (given.length, *r.shape)) for v, r in zip(results, given.node.results, strict=True)
        ]
    return given.op(*(_aligned(given, i, rank) for i in range(len(given.inputs))))


def _rows(given: Given, index: int) -> Value | None:
    """An input for ops on the rows of all steps: what a stack was made of, or what is the same for all rows."""
    value = given.inputs[index]
    if not given.stacked[index]:
        return value if value.rank < given.node.out.rank else None
    steps, count, *rest = (*value.shape, 0)
    flat = value.node.inputs[0] if value.node.op == "reshape" else None
    whole = value.rank == given.node.out.rank + 1
    return flat if whole and flat is not None and flat.shape == (steps * count, *rest[:-1]) else None


def _matmul(given: Given) -> list[Value]:
    (a, b), (moves, stays) = given.inputs, given.stacked
    rows = moves and not stays and a.rank == 3 and b.rank == 2 and not given.node.attrs["transpose_a"]
    if rows:
        steps, count, features = a.shape
        flat = given.op(given.make.reshape(a, (steps * count, features)), b)[0]
        return [given.make.reshape(flat, (steps, count, flat.shape[1]))]
    rank = given.node.out.rank
    return given.op(_aligned(given, 0, rank), _aligned(given, 1, rank))


def _along_axis(given: Given) -> list[Value]:
    return given.op(*given.inputs, axis=given.node.attrs["axis"] + 1)


def _along_axes(given: Given) -> list[Value]:
    return given.op(*given.inputs, axes=tuple(a + 1 for a in given.node.attrs["axes"]))


def _reshape(given: Given) -> list[Value]:
    return given.op(*given.inputs, shape=(given.length, *given.node.attrs["shape"]))


def _broadcast(given: Given) -> list[Value]:
    shape = given.node.attrs["shape"]
    return given.op(_aligned(given, 0, len(shape)), shape=(given.length, *shape))


def _transpose(given: Given) -> list[Value]:
    return given.op(*given.inputs, perm=(0, *(p + 1 for p in given.node.attrs["perm"])))


def _pad(given: Given) -> list[Value]:
    return given.op(*given.inputs, low=(0, *given.node.attrs["low"]), high=(0, *given.node.attrs["high"]))


def _concat(given: Given) -> list[Value]:
    stacks = [
        value if is_stack else given.make.broadcast(value, (given.length, *value.shape))
        for value, is_stack in zip(given.inputs, given.stacked, strict=True)
    ]
    return given.op(*stacks, axis=given.node.attrs["axis"] + 1)


def _one_hot(given: Given) -> list[Value]:
    return given.op(*given.inputs)


def _gather(given: Given) -> list[Value] | None:
    """Rows of a table that stays, by indices of all steps."""
    return given.op(*given.inputs) if given.stacked == (False, True) and given.node.attrs["axis"] == 0 else None


def _of_samples(per_sample: tuple[int, ...] | None = None) -> Rule:
    """For ops on batches: the inputs `per_sample` (None: all) have the samples as their first axis."""

    def rule(given: Given) -> list[Value] | None:
        chosen = range(len(given.inputs)) if per_sample is None else per_sample
        if any((i in chosen) != is_stack for i, is_stack in enumerate(given.stacked)):
            return None
        inputs = [_one_batch(given.make, v) if i in chosen else v for i, v in enumerate(given.inputs)]
        results = given.op(*inputs)
        return [
            given.make.reshape(v, (given.length, *r.shape)) for v, r in zip(results, given.node.results, strict=True)
        ]

    return rule


def _one_batch(make: Builder, stack: Value) -> Value:
    steps, count, *rest = stack.shape
    return make.reshape(stack, (steps * count, *rest))


_POOLS = ("max_pool", "max_pool_switch", "max_pool_grad", "max_unpool", "avg_pool", "avg_pool_grad", "sum_pool")
_RULES: Mapping[str, Rule] = {
    "matmul": _matmul,
    "reshape": _reshape,
    "broadcast": _broadcast,
    "transpose": _transpose,
    "pad": _pad,
    "concat": _concat,
    "one_hot": _one_hot,
    "gather": _gather,
    **dict.fromkeys(("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reverse"), _along_axes),
    **dict.fromkeys(("argmax", "softmax", "log_softmax", "slice", "slice_grad", "cumsum"), _along_axis),
    **dict.fromkeys((*_POOLS, "sum_pool_grad", "l2_pool", "cross_entropy"), _of_samples()),
    **dict.fromkeys(("local_response_norm", "local_response_norm_grad"), _of_samples()),
    **dict.fromkeys(("conv", "conv_data_grad", "batchnorm"), _of_samples((0,))),
}
"""Ops with a way of their own; elementwise ones broadcast. Random ones draw anew in every step, so they stay."""
