"""Random graphs full of what the passes look for: constants, repeated nodes, movement, broadcasting, fused nodes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from numpy.typing import NDArray

import netlang.ops  # noqa: F401
from netlang.diagnostics import Source, Span
from netlang.ir.build import Builder, make_node
from netlang.ir.dims import Shape, sym
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType

SIZES = {"N": 3}
N = sym("N")
_SHAPES: tuple[Shape, ...] = ((N, 4), (4,), (N, 1), (1, 4), (4, 4), (), (2, 4, 2))
_NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0, -0.75)
_SOURCE = Source("random.net", "\n" * 99)
_UNARY = ("neg", "neg", "abs", "relu", "relu", "tanh", "sigmoid", "gelu", "stop_gradient", "softplus")
_BINARY = ("add", "sub", "mul", "mul", "max", "min")


class Maker:
    """Makes nodes out of those it has made before."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.values: list[Value] = []

    def build(self) -> Builder:
        line = int(self.rng.integers(1, 90))
        spans = (Span(_SOURCE, line, 1, line, 9),) if self.rng.random() < 0.8 else ()
        return Builder(spans, str(self.rng.choice(["", "fc", "stage1.conv1"])), "")

    def any(self, where: Callable[[Value], bool] = lambda v: True) -> Value:
        found = [v for v in self.values if v.dtype == DType.F32 and where(v)]
        # Recent values are preferred, so that chains grow.
        return found[len(found) - 1 - min(len(found) - 1, int(self.rng.exponential(3)))]

    def number(self, like: Value) -> Value:
        value = float(self.rng.choice(_NUMBERS))
        kind = self.rng.integers(3)
        if kind == 0 or any(not isinstance(d, int) for d in like.shape):
            scalar = self.build().scalar(value, like)
            return scalar if kind < 2 else self.build().broadcast(scalar, like.shape)
        return self.build().const(np.full(like.type.concrete(SIZES), value), DType.F32)

    def step(self) -> None:
        kinds = (self.unary, self.binary, self.binary, self.scaled, self.movement, self.reduce, self.twice, self.chosen)
        made = kinds[self.rng.integers(len(kinds))]()
        # A float that outgrows f32 in a long chain would only test infinities.
        self.values.append(self.build().op("tanh", made) if self.rng.random() < 0.2 else made)

    def unary(self) -> Value:
        return self.build().op(str(self.rng.choice(_UNARY)), self.any())

    def binary(self) -> Value:
        x = self.any()
        y = self.any(lambda v: v.shape in (x.shape, (), x.shape[1:]) or v is x)
        if self.rng.random() < 0.3:
            y = self.build().broadcast(y, x.shape)
        inputs = (x, y) if self.rng.random() < 0.5 else (y, x)
        return self.build().op(str(self.rng.choice(_BINARY)), *inputs)

    def scaled(self) -> Value:
        x = self.any()
        c = self.number(x)
        op = str(self.rng.choice(("add", "sub", "mul", "div", "pow", "max")))
        if op == "pow":
            c = self.build().scalar(float(self.rng.choice((0.0, 1.0, 2.0))), x)
        if op == "div":
            c = self.build().scalar(float(self.rng.choice((1.0, -1.0, 2.0, 3.0, -0.25))), x)
        return self.build().op(op, *((c, x) if op in ("add", "mul") and self.rng.random() < 0.5 else (x, c)))

    def movement(self) -> Value:
        x, b = self.any(lambda v: v.rank > 0), self.build()
        axis = int(self.rng.integers(x.rank))
        perm = tuple(int(p) for p in self.rng.permutation(x.rank))
        zeros = (0,) * x.rank
        options: tuple[Callable[[], Value], ...] = (
            lambda: b.op("transpose", x, perm=perm),
            lambda: b.op("reshape", x, shape=(*x.shape, 1)),
            lambda: b.op("reshape", x, shape=(x.type.size,)),
            lambda: b.op("broadcast", x, shape=(2, *x.shape)) if x.rank < 3 else b.op("neg", x),
            lambda: b.op("slice", x, axis=axis, start=0, stop=x.shape[axis]),
            lambda: b.op("slice", x, axis=axis, start=0, stop=1),
            lambda: b.op("pad", x, low=zeros, high=(0,) * axis + (int(self.rng.integers(2)),) + zeros[axis + 1 :]),
            lambda: b.op("concat", *[x] * int(self.rng.integers(1, 3)), axis=axis),
            lambda: b.op("reverse", x, axes=tuple(range(int(self.rng.integers(2))))),
            lambda: b.op("cast", b.op("cast", x, dtype=DType.F64), dtype=DType.F32),
        )
        return options[self.rng.integers(len(options))]()

    def reduce(self) -> Value:
        x, b = self.any(), self.build()
        axes = tuple(a for a in range(x.rank) if self.rng.random() < 0.4)
        if x.rank and self.rng.random() < 0.2:
            return b.op("log", b.op("softmax", x, axis=x.rank - 1))
        op = str(self.rng.choice(("reduce_sum", "reduce_mean", "reduce_max", "reduce_min")))
        return b.op(op, x, axes=axes, keepdims=bool(self.rng.random() < 0.5))

    def twice(self) -> Value:
        """Something that is there already, once more."""
        node = self.any().node
        if node.op in ("input", "param", "fused"):
            return self.unary()
        return self.build().op(node.op, *node.inputs, **node.attrs)

    def chosen(self) -> Value:
        kind, b = self.rng.integers(3), self.build()
        if kind == 0:
            x = self.any()
            return b.op("where", b.op("gt", x, b.scalar(0.25, x)), x, self.number(x))
        if kind == 1:
            return self.fused()
        x = self.any()
        w = b.const(self.rng.normal(0, 0.5, (x.shape[-1], 3)), DType.F32) if x.rank == 2 and x.shape[-1] == 4 else None
        if w is None:
            return self.unary()
        if self.rng.random() < 0.5:
            return b.op("matmul", x, b.op("transpose", b.op("transpose", w, perm=(1, 0)), perm=(1, 0)))
        return b.op("matmul", x, b.op("transpose", w, perm=(1, 0)), transpose_b=True)

    def fused(self) -> Value:
        """A fused node with a result and an input that nobody needs."""
        x, y = self.any(), self.any()
        a, c = Builder().input("a", x.type), Builder().input("b", y.type)
        body = Graph("", (a, c), (), (("s", Builder().op("tanh", c)), ("r", Builder().op("relu", a))))
        build = self.build()
        node = make_node("fused", [x, y], {"kind": "loop"}, spans=build.spans, name=build.name, body=body)
        return node.results[int(self.rng.integers(2))]


def random_graph(seed: int, steps: int = 12) -> Graph:
    """A graph of two inputs, two parameters, up to three outputs and an update; the same for the same seed."""
    maker = Maker(seed)
    shapes = [_SHAPES[i] for i in maker.rng.permutation(len(_SHAPES))[:4]]
    if not any(N in s for s in shapes[:2]):
        shapes[0] = (N, 4)
    constant = [s for s in shapes[2:] if N not in s] or [(4,)]
    inputs = [Builder().input(f"x{i}", TensorType(DType.F32, s)) for i, s in enumerate(shapes[:2])]
    params = [
        Builder().param(f"p{i}", TensorType(DType.F32, s), "weight", ("normal", 0.0, 1.0))
        for i, s in enumerate(constant)
    ]
    maker.values = [*inputs, *params]
    for _ in range(steps):
        maker.step()
    outputs = tuple((f"y{i}", maker.any()) for i in range(3))
    target = params[0]
    match = [v for v in maker.values if v.type == target.type]
    return Graph(f"random{seed}", tuple(inputs), tuple(params), outputs, (("p0", match[-1]),))


def arrays_for(graph: Graph, seed: int) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Inputs and parameters in float64, half of them small whole numbers, so that ties occur."""
    rng = np.random.default_rng(seed)

    def draw(value: Value) -> NDArray[np.float64]:
        shape = value.type.concrete(SIZES)
        numbers = rng.normal(0, 1, max(1, prod(shape)))
        return np.where(rng.random(numbers.shape) < 0.5, np.round(numbers), numbers)[: prod(shape)].reshape(shape)

    return {v.node.name: draw(v) for v in graph.inputs}, {v.node.name: draw(v) for v in graph.params}
