"""Carrying out a body op by op, its intermediate values in scratch: what any fused node can fall back to."""

from __future__ import annotations

from netlang.backends.common.context import Context, storage
from netlang.backends.common.moved import moved
from netlang.backends.common.moves import copy_steps
from netlang.backends.common.steps import Buffer, Place, Step
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.types import DType
from netlang.passes.memory import VIEWS

_HALVES = (DType.F16, DType.BF16)


def one_by_one(context: Context, node: Node) -> list[Step]:
    """A fused node of any kind, whatever its body."""
    assert node.body is not None
    return inline(context, node, node.body)


def inline(context: Context, node: Node, body: Graph) -> list[Step]:
    """The steps of `body`, which computes the results of `node` from its inputs."""
    where: dict[Buffer, Place] = dict(zip(body.inputs, node.inputs, strict=True))
    late: list[tuple[Value, Value]] = []
    for (_, value), result in zip(body.outputs, node.results, strict=True):
        root = storage(value)
        if root in where or root.node.op == "const":
            late.append((value, result))
        else:
            where[root] = result
    steps: list[Step] = []
    for inner in body.nodes:
        if inner.op in VIEWS or inner.op in ("input", "const"):
            continue
        for value in inner.results:
            where.setdefault(value, context.scratch(context.storage_bytes(value.type)))
        steps += [moved(step, where) for step in context.lower(inner)]
    for value, result in late:
        steps += [moved(step, where) for step in copy_steps(context, value, result)]
    return steps


def has_halves(context: Context, node: Node) -> bool:
    """Whether a node computes with f16 or bf16."""
    return any(v.dtype in _HALVES for v in (*node.inputs, *node.results))


def in_single_precision(context: Context, node: Node) -> list[Step]:
    """The node in float32 between conversions: for kernels that exist for f32 and f64 only."""
    b = Builder(node.spans, node.name, node.origin)
    inputs = tuple(b.input(f"x{i}", v.type) for i, v in enumerate(node.inputs))
    wide = [b.op("cast", v, dtype=DType.F32) if v.dtype in _HALVES else v for v in inputs]
    results = b.node(node.op, *wide, **node.attrs).results
    narrow = [
        b.op("cast", v, dtype=r.dtype) if v.dtype != r.dtype else v for v, r in zip(results, node.results, strict=True)
    ]
    body = Graph("wide", inputs, (), tuple((f"y{i}", v) for i, v in enumerate(narrow)))
    return inline(context, node, body)
