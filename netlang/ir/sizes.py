"""What the shape rules could not know: whether the sizes of a call suit every node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netlang.diagnostics import NetError, error
from netlang.ir.dims import Sym, evaluate, names
from netlang.ir.graph import Graph, Node
from netlang.ir.opdef import ShapeError, opdef
from netlang.ir.types import TensorType, shape_text


def check_sizes(graph: Graph, sizes: Mapping[str, int]) -> None:
    """Run the shape rules of all nodes that depend on sizes once more, with numbers for names.

    A window may be larger than its input now, a slice may end behind it, an axis to choose from may be empty. Raises
    NetError at the node's place. A program whose sizes passed reads and writes nothing outside its tensors.
    """
    for node in graph.nodes:
        if node.body is not None:
            check_sizes(node.body, sizes)
        elif node.inputs and _is_symbolic(node):
            _check(node, sizes)


def _check(node: Node, sizes: Mapping[str, int]) -> None:
    given = [_numbered(v.type, sizes) for v in node.inputs]
    try:
        made = opdef(node.op).infer(given, {key: _concrete(value, sizes) for key, value in node.attrs.items()})
    except ShapeError as fault:
        raise _misfit(node, sizes, str(fault), fault.hint) from fault
    for found in made:
        if any(isinstance(dim, int) and dim < 0 for dim in found.shape):
            raise _misfit(node, sizes, f"{node.op} would have the shape {shape_text(found.shape)}", "")


def _misfit(node: Node, sizes: Mapping[str, int], reason: str, hint: str) -> NetError:
    used = {n for v in (*node.inputs, *node.results) for dim in v.shape for n in names(dim)}
    bound = ", ".join(f"{name} = {sizes[name]}" for name in sorted(used) if name in sizes)
    return error(f"{reason}, with {bound}" if bound else reason, *node.spans, hint=hint)


def _is_symbolic(node: Node) -> bool:
    """Whether a size enters the node's types; where none does, none enters its attributes either."""
    return any(isinstance(dim, Sym) for v in (*node.inputs, *node.results) for dim in v.shape)


def _numbered(type: TensorType, sizes: Mapping[str, int]) -> TensorType:
    return replace(type, shape=type.concrete(sizes))


def _concrete(value: Any, sizes: Mapping[str, int]) -> Any:
    if isinstance(value, Sym):
        return evaluate(value, sizes)
    return tuple(_concrete(v, sizes) for v in value) if isinstance(value, tuple) else value
