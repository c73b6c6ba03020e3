"""commute: let a maximum pool change places with what is monotone, so that the rest works on the smaller map.

Before                                          After
    %0 = conv(%image, %w)        [N, 6, 28, 28]     %0 = conv(%image, %w)        [N, 6, 28, 28]
    %1 = add(%0, %bias)          [N, 6, 28, 28]     %1 = max_pool(%0)            [N, 6, 14, 14]
    %2 = relu(%1)                [N, 6, 28, 28]     %2 = add(%1, %bias)          [N, 6, 14, 14]
    %3 = max_pool(%2)            [N, 6, 14, 14]     %3 = relu(%2)                [N, 6, 14, 14]

The values stay the same, bit for bit: rounding is monotone too. Done before differentiation, this also spares the
backward graph the map before the pool, since a ReLU's gradient then only asks for the pooled result. Where two
candidates of one window are equal after a ReLU or by rounding, another of them may receive the gradient than before.
"""

from __future__ import annotations

from collections.abc import Sequence

from netlang.ir.dims import Dim
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.rewrite import replace_values, single_use, stamp
from netlang.ops.activations import monotone

ORIGIN = "switches"


def commute(graph: Graph) -> Graph:
    """`graph` with every max pool moved up over the activations and per-channel additions that only it reads."""
    while found := {n.out: _moved_up(n, steps) for n in graph.nodes if (steps := _movable(graph, n))}:
        graph = replace_values(graph, found)
    return graph


def _movable(graph: Graph, node: Node) -> list[Node]:
    """The nodes between a max pool and where it can move to, the one next to the pool first."""
    found: list[Node] = []
    if node.op != "max_pool" or not _every_window_has_elements(node):
        return found
    value = node.inputs[0]
    while single_use(graph, value):
        source = main_input(value.node)
        if source is None:
            break
        found.append(value.node)
        value = source
    return found


def _every_window_has_elements(pool: Node) -> bool:
    """Whether no window is all padding: a bound like relu(-inf) = 0 must not appear where -inf was."""
    attrs = pool.attrs
    if all(pad == (0, 0) for pad in attrs["pad"]):
        return True
    undilated = all(d == 1 for d in attrs["dilation"])
    return undilated and all(max(pad) < k for pad, k in zip(attrs["pad"], attrs["kernel"], strict=True))


def main_input(node: Node) -> Value | None:
    """The input that a monotone step works on: of an activation, or of the addition of one number per channel."""
    if node.op == "add":
        left, right = node.inputs
        if left.shape == node.out.shape and per_channel(right, left.rank) is not None:
            return left
        if right.shape == node.out.shape and per_channel(left, right.rank) is not None:
            return right
        return None
    same = len(node.inputs) == 1 and len(node.types) == 1 and node.inputs[0].type == node.out.type
    elementwise = same and node.op not in ("cast", "stop_gradient", "layout", "fused")
    return node.inputs[0] if elementwise and node.out.dtype.is_float and monotone(node.op, node.attrs) else None


def per_channel(value: Value, rank: int) -> Value | None:
    """`value`, or what was broadcast to it, if it is the same all over the spatial axes of a tensor of `rank`."""
    while value.node.op == "broadcast" and not _constant_over_space(value.shape, rank):
        value = value.node.inputs[0]
    return value if _constant_over_space(value.shape, rank) else None


def _constant_over_space(shape: Sequence[Dim], rank: int) -> bool:
    # Axes are matched from the last one; the spatial axes are all but the first two.
    return all(d == 1 for d in shape[max(0, len(shape) - (rank - 2)) :])


def _moved_up(pool: Node, steps: Sequence[Node]) -> Value:
    """What takes the place of the pool's result: the pool moved up, then the steps it went over."""
    source = main_input(steps[-1])
    assert source is not None
    value = _stamped(pool, [source])
    for step in reversed(steps):
        value = _stamped(step, _operands(step, value))
    return value


def _operands(step: Node, value: Value) -> list[Value]:
    """The inputs of a step, with the pooled value for its main input."""
    source = main_input(step)
    operands = []
    for operand in step.inputs:
        small = value if operand == source else per_channel(operand, value.rank)
        assert small is not None
        operands.append(small)
    return operands


def _stamped(like: Node, inputs: Sequence[Value]) -> Value:
    return stamp([like], ORIGIN).op(like.op, *inputs, **like.attrs)
