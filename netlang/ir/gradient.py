"""Reverse-mode differentiation: the chain rule over `OpDef.gradient`, emitting ordinary nodes.

Before                               After `gradients(loss, [w])`
    h    = matmul(x, w)                  dh = broadcast(1, [N, 10])      (gradient rule of reduce_sum)
    loss = reduce_sum(h)                 dw = matmul(x, dh, transpose_a)  (gradient rule of matmul)

The method is adjoint accumulation (Linnainmaa 1970; Griewank & Walther, *Evaluating Derivatives*, chapter 3): nodes are
visited once, in reverse topological order, and the contributions of all readers of a value are added before its own
node is visited. It lives beside the graph, not among the passes, because `grad(y, x)` is an expression of the language.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from netlang.ir.build import Builder
from netlang.ir.graph import Node, Value, topological
from netlang.ir.opdef import ShapeError, opdef
from netlang.ir.types import shape_text

ORIGIN = "autodiff"


def gradients(
    y: Value, wrt: Sequence[Value], builder: Builder | None = None, *, seed: Value | None = None
) -> list[Value]:
    """The gradient of `y` by every value of `wrt`, each of the type of that value; zeros where `y` does not depend.

    `y` is a float scalar (any shape of one element), unless `seed`, a value of the type of `y`, says what it is
    multiplied with. `builder` stamps the seed and the zeros; all other nodes carry the spans and layer name of the
    forward node they come from. Raises ShapeError where `y` or a value of `wrt` cannot be differentiated.
    """
    make = builder or Builder(y.node.spans, y.node.name, ORIGIN)
    found = adjoints(y, wrt, make, seed=seed)
    return [zeros(make, v) if g is None else g for g, v in zip(found, wrt, strict=True)]


def adjoints(
    y: Value, wrt: Sequence[Value], builder: Builder | None = None, *, seed: Value | None = None
) -> list[Value | None]:
    """As `gradients`, with None where `y` does not depend on the value."""
    make = builder or Builder(y.node.spans, y.node.name, ORIGIN)
    _check(y, wrt, seed)
    if not depends((y,), wrt):
        return [None] * len(wrt)
    return pullback([(y, seed or make.broadcast(make.scalar(1.0, y), y.shape))], wrt)


def pullback(seeds: Sequence[tuple[Value, Value]], wrt: Sequence[Value]) -> list[Value | None]:
    """The gradient of the sum of `y * seed` over all pairs (y, seed) by every value of `wrt`; None where there is none.

    A seed is a value of the type of its y. A value may be seeded several times, and may be one of `wrt` itself.
    """
    order = tuple(topological(y for y, _ in seeds))
    active = _active(order, frozenset(wrt))
    found: dict[Value, Value] = {}
    for y, seed in seeds:
        if y in active:
            found[y] = Builder(origin=ORIGIN).like(y.node).add(found[y], seed) if y in found else seed
    for node in reversed(order):
        if any(v in active for v in node.inputs) and any(r in found for r in node.results):
            _visit(node, found, active)
    return [found.get(v) for v in wrt]


def depends(made: Iterable[Value], wrt: Iterable[Value]) -> bool:
    """Whether a value of `made` follows from a value of `wrt` by differentiable ops alone."""
    found = tuple(made)
    return not _active(tuple(topological(found)), frozenset(wrt)).isdisjoint(found)


def zeros(builder: Builder, like: Value) -> Value:
    """Zeros of the type of `like`."""
    return builder.broadcast(builder.scalar(0.0, like), like.shape)


def _check(y: Value, wrt: Sequence[Value], seed: Value | None) -> None:
    if not y.dtype.is_float:
        raise ShapeError(f"grad differentiates floating-point tensors, got {y.type}")
    if seed is None and any(d != 1 for d in y.shape):
        raise ShapeError(
            f"grad needs a scalar to differentiate, got {shape_text(y.shape)}", hint="sum(...) or mean(...) makes one"
        )
    if seed is not None and seed.type != y.type:
        raise ShapeError(f"the seed of a gradient must be {y.type}, got {seed.type}")
    for value in wrt:
        if not value.dtype.is_float:
            raise ShapeError(f"grad differentiates by floating-point tensors, got {value.type}")


def _active(order: Sequence[Node], wrt: Collection[Value]) -> set[Value]:
    """The float values that depend on `wrt` by differentiable ops: the only ones whose gradients are needed."""
    active: set[Value] = set()
    for node in order:
        if node.op == "fused" and any(v in active for v in node.inputs):
            raise AssertionError("a graph is differentiated before it is fused")
        passes_on = opdef(node.op).gradient is not None and any(v in active for v in node.inputs)
        active.update(r for r in node.results if r in wrt or (passes_on and r.dtype.is_float))
    return active


def _visit(node: Node, found: dict[Value, Value], active: Collection[Value]) -> None:
    """Apply the rule of one node: from the gradients of its results to contributions to those of its inputs."""
    rule = opdef(node.op).gradient
    if rule is None:
        return
    make = Builder(origin=ORIGIN).like(node)
    given = rule(make, node, [found.get(r) for r in node.results])
    if len(given) != len(node.inputs):
        raise AssertionError(f"the gradient of {node.op} gives {len(given)} values for {len(node.inputs)} inputs")
    for value, gradient in zip(node.inputs, given, strict=True):
        if gradient is None or value not in active:
            continue
        if gradient.type != value.type:
            raise AssertionError(f"the gradient of {node.op} gives {gradient.type} for an input of {value.type}")
        # Fan-out: the sum belongs to where the value was made, not to one of its readers.
        there = Builder(origin=ORIGIN).like(value.node)
        found[value] = there.add(found[value], gradient) if value in found else gradient
