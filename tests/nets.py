"""Networks built by hand, as the frontend would build them, for the tests of what comes after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import netlang.ops  # noqa: F401
from netlang.diagnostics import Source, Span
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, sym
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.module import Call, TrainSpec
from netlang.ir.types import DType, TensorType

Array = NDArray[Any]
SOURCE = Source("lenet5.net", "\n" * 30)


def span(line: int) -> Span:
    return Span(SOURCE, line, 3, line, 9)


def tensor(*shape: Dim, dtype: DType = DType.F32) -> TensorType:
    return TensorType(dtype, shape)


class Net:
    """A graph in the making; every layer takes the next line of the source."""

    def __init__(self, name: str = "net", dtype: DType = DType.F32) -> None:
        self.name, self.dtype = name, dtype
        self.inputs: list[Value] = []
        self.params: list[Value] = []
        self.updates: list[tuple[str, Value]] = []
        self._line = 0

    def line(self, name: str = "") -> Builder:
        self._line += 1
        return Builder((span(self._line),), name)

    def input(self, name: str, *shape: Dim, dtype: DType | None = None) -> Value:
        value = self.line().input(name, tensor(*shape, dtype=dtype or self.dtype))
        self.inputs.append(value)
        return value

    def param(self, make: Builder, name: str, *shape: Dim, role: str = "weight") -> Value:
        value = make.param(name, tensor(*shape, dtype=self.dtype), role, ("normal", 0.0, 0.3))
        self.params.append(value)
        return value

    def conv(self, name: str, x: Value, channels: int, kernel: int, bias: bool = True, pad: int = 0) -> Value:
        make = self.line(name)
        rank = x.rank - 2
        w = self.param(make, f"{name}.weight", channels, x.shape[1], *(kernel,) * rank)
        y = make.op("conv", x, w, stride=(1,) * rank, pad=((pad, pad),) * rank, dilation=(1,) * rank)
        if not bias:
            return y
        b = self.param(make, f"{name}.bias", channels)
        return make.add(y, make.along(b, x.rank, 1))

    def dense(self, name: str, x: Value, units: int) -> Value:
        make = self.line(name)
        w = self.param(make, f"{name}.weight", units, x.shape[-1])
        b = self.param(make, f"{name}.bias", units)
        return make.add(make.op("matmul", x, w, transpose_b=True), b)

    def pool(self, x: Value, size: int = 2, op: str = "max_pool", **attrs: Any) -> Value:
        rank = x.rank - 2
        if op == "max_pool":
            attrs = {"dilation": (1,) * rank, **attrs}
        geometry = {"kernel": (size,) * rank, "stride": (size,) * rank, "pad": ((0, 0),) * rank, **attrs}
        return self.line("pool").op(op, x, **geometry)

    def flatten(self, x: Value) -> Value:
        rest: Dim = 1
        for d in x.shape[1:]:
            rest = rest * d
        return self.line("flatten").reshape(x, (x.shape[0], rest))

    def graph(self, **outputs: Value) -> Graph:
        return Graph(self.name, tuple(self.inputs), tuple(self.params), tuple(outputs.items()), tuple(self.updates))


def mean_cross_entropy(net: Net, logits: Value, label: Value) -> Value:
    make = net.line("loss")
    losses = make.op("cross_entropy", logits, label)
    return make.op("reduce_mean", losses, axes=(0,))


def lenet5(train: bool = False, size: int = 28, dtype: DType = DType.F32, batch: Dim | None = None) -> Graph:
    """LeNet-5 with ReLU and max pools; with `train` its output is the loss, else the probabilities."""
    net = Net("lenet5", dtype)
    n = sym("N") if batch is None else batch
    x = net.input("image", n, 1, size, size)
    h = net.pool(net.line("act1").op("relu", net.conv("conv1", x, 6, 5)))
    h = net.pool(net.line("act2").op("relu", net.conv("conv2", h, 16, 5)))
    h = net.line("act3").op("relu", net.dense("fc1", net.flatten(h), 120))
    h = net.line("act4").op("relu", net.dense("fc2", h, 84))
    logits = net.dense("fc3", h, 10)
    if not train:
        return net.graph(probs=net.line("probs").op("softmax", logits, axis=1))
    label = net.input("label", n, dtype=DType.I64)
    return net.graph(loss=mean_cross_entropy(net, logits, label))


def spec(graph: Graph, optimizer: Call, clip: Call | None = None) -> TrainSpec:
    return TrainSpec(
        graph=graph,
        evaluation=graph,
        targets=("label",),
        optimizer=optimizer,
        schedule=Call("constant"),
        epochs=1,
        batch=8,
        clip=clip,
    )


SGD = Call("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0})


def random_params(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """Small random numbers for weights, zeros for the optimiser's state."""
    rng = np.random.default_rng(seed)
    out = {}
    for value in graph.params:
        shape, dtype = value.type.concrete({}), value.dtype.numpy
        state = value.node.attrs["role"] == "state"
        out[value.node.name] = np.zeros(shape, dtype) if state else np.asarray(rng.normal(0, 0.3, shape)).astype(dtype)
    return out


def random_inputs(graph: Graph, sizes: Mapping[str, int], seed: int = 1, classes: int = 10) -> dict[str, Array]:
    """Normal numbers for float inputs, classes for integer ones, 0.1 for the learning rate."""
    rng = np.random.default_rng(seed)
    out: dict[str, Array] = {}
    for value in graph.inputs:
        shape = value.type.concrete(sizes)
        if value.node.name == "$lr":
            out[value.node.name] = np.array(0.1, np.float32)
        elif value.dtype.is_float:
            out[value.node.name] = np.asarray(rng.normal(0, 1, shape)).astype(value.dtype.numpy)
        else:
            out[value.node.name] = rng.integers(0, classes, shape).astype(value.dtype.numpy)
    return out


def nodes_of(graph: Graph, op: str) -> list[Node]:
    return [node for node in graph.nodes if node.op == op]


def kinds(graph: Graph) -> list[str]:
    """What a graph does, in order: op names, or `fused.<kind>`; leaves and reshapes left out."""
    hidden = {"input", "param", "const", "reshape"}
    return [f"fused.{n.attrs['kind']}" if n.op == "fused" else n.op for n in graph.nodes if n.op not in hidden]


def same_bits(a: Mapping[str, Array], b: Mapping[str, Array]) -> bool:
    return a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() and a[k].dtype == b[k].dtype for k in a)


def shapes(values: Sequence[Value]) -> list[tuple[Dim, ...]]:
    return [v.shape for v in values]
