"""fold_batchnorm: batch normalisation with fixed statistics goes into the weights before it (inference only).

Before                                              After, with scale = gamma / sqrt(var + eps), all on parameters
    %0 = conv(%x, %w)                                   %w2 = mul(%w, reshape(%scale, [C, 1, 1, 1]))
    %1 = add(%0, %b)            %b: [C, 1, 1]           %b2 = add(mul(%b, %scale), sub(%beta, mul(%mean, %scale)))
    %2 = batchnorm(%1, %gamma, %beta, %mean, %var)      %0 = conv(%x, %w2)
                                                        %2 = add(%0, %b2)

The same for matmul with a weight matrix. A batchnorm that follows anything else becomes `x * scale + shift`. The new
weights are ordinary nodes that depend on parameters alone, so a backend can compute them once. Rounding differs a
little from normalising first; in f16 and bf16 it would differ too much, so these are left alone.

See Jacob et al. 2018, *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*,
section 3.2, for the folding.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from netlang.ir.build import Builder
from netlang.ir.dims import Dim
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import opdef
from netlang.ir.rewrite import replace_values, single_use, stamp
from netlang.ir.types import DType
from netlang.passes.manager import Pass

ORIGIN = "fold_batchnorm"


def run(graph: Graph) -> Graph:
    """Fold every inference batchnorm whose statistics are parameters."""
    fixed = _from_params(graph)
    found: dict[Value, Value] = {}
    for node in graph.nodes:
        if _can_fold(node, fixed):
            found[node.out] = _folded(graph, node, fixed)
    return replace_values(graph, found)


def _from_params(graph: Graph) -> set[Node]:
    """The nodes that depend on parameters and constants alone."""
    found: set[Node] = set()
    for node in graph.nodes:
        computed = bool(node.inputs) and "random" not in opdef(node.op).traits
        if node.op in ("param", "const") or (computed and all(v.node in found for v in node.inputs)):
            found.add(node)
    return found


def _can_fold(node: Node, fixed: Collection[Node]) -> bool:
    if node.op != "batchnorm" or node.out.dtype not in (DType.F32, DType.F64):
        return False
    return all(v.node in fixed for v in node.inputs[1:])


@dataclass(frozen=True)
class _Linear:
    """What a batchnorm can be folded into: a conv or matmul, and the addition of a bias after it, if there is one."""

    node: Node
    bias: Value | None
    addition: Node | None


def _linear(graph: Graph, value: Value, fixed: Collection[Node]) -> _Linear | None:
    """The conv or matmul with fixed weights that makes `value`, if nobody else reads it or what is in between."""
    bias, addition = None, None
    if single_use(graph, value) and value.node.op == "add":
        addition = value.node
        for made, other in (addition.inputs, addition.inputs[::-1]):
            if made.shape == value.shape and other.node in fixed and _is_per_channel(other, value.rank):
                value, bias = made, other
                break
        else:
            return None
    node = value.node
    if not single_use(graph, value) or node.op not in ("conv", "matmul") or node.inputs[1].node not in fixed:
        return None
    if node.op == "matmul" and (value.rank != 2 or node.inputs[1].rank != 2):
        return None
    return _Linear(node, bias, addition)


def _is_per_channel(bias: Value, rank: int) -> bool:
    """Is it one number per channel (axis 1) or one for all?"""
    shape = (1,) * (rank - bias.rank) + bias.shape
    return all(d == 1 for axis, d in enumerate(shape) if axis != 1)


def _folded(graph: Graph, node: Node, fixed: Collection[Node]) -> Value:
    x, gamma, beta, mean, var = node.inputs
    make = stamp([node], ORIGIN)
    scale = make.div(gamma, make.op("sqrt", make.add(var, make.scalar(node.attrs["eps"], var))))
    shift = make.sub(beta, make.mul(mean, scale))
    along = make.along(scale, x.rank, 1)
    linear = _linear(graph, x, fixed)
    if linear is None:
        return make.add(make.mul(x, along), make.along(shift, x.rank, 1))
    offset = make.along(shift, x.rank, 1)
    if linear.bias is not None:
        offset = make.add(make.mul(linear.bias, along), offset)
    source, weight = linear.node.inputs
    scaled = make.mul(weight, _along_weight(make, scale, linear.node))
    value = stamp([linear.node, node], ORIGIN).op(linear.node.op, source, scaled, **linear.node.attrs)
    adding = [n for n in (linear.addition, linear.node, node) if n is not None]
    return stamp(adding, ORIGIN).add(value, offset)


def _along_weight(make: Builder, scale: Value, node: Node) -> Value:
    """The scale in the shape that meets the output channels of a weight: [O, I, ...], [O, I] or [I, O]."""
    rank = node.inputs[1].rank
    axis = 0 if node.op == "conv" or node.attrs["transpose_b"] else 1
    shape: list[Dim] = [1] * rank
    shape[axis] = scale.shape[0]
    return make.reshape(scale, tuple(shape))


PASS = Pass("fold_batchnorm", run)
