"""Small models and trainers made without the frontend, on the reference backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netlang.backends.reference import Reference, evaluate
from netlang.diagnostics import Source
from netlang.ir.dims import sym
from netlang.ir.graph import Graph
from netlang.ir.module import Call, Module, TrainSpec
from netlang.ir.types import DType
from netlang.passes.optimizer import training_step
from netlang.runtime.family import Family
from netlang.runtime.model import Model
from netlang.runtime.trainer import Programs, Trainer
from tests.nets import SGD, Net, mean_cross_entropy

CONSTANT = Call("constant", {})


class Ready:
    """Code as the driver gives it to a model."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.executable = Reference().compile(graph)

    def build(self) -> None:
        pass

    def run(self, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        return self.executable.run(inputs, params)

    def planned_bytes(self, sizes: Mapping[str, int]) -> int:
        return self.executable.planned_bytes(sizes)


def mlp(train: bool = False, features: int = 64, hidden: int = 16, classes: int = 10, dropout: bool = False) -> Graph:
    net = Net("mlp")
    n = sym("N")
    x = net.input("image", n, features)
    h = net.line("act").op("relu", net.dense("fc1", x, hidden))
    if dropout and train:
        key = net.input("$rng", 2, dtype=DType.I64)
        make = net.line("drop")
        u = make.op("uniform", key, shape=h.shape, stream=1)
        h = make.op("where", make.op("lt", u, make.scalar(0.8, u)), h, make.scalar(0.0, h))
    logits = net.dense("fc2", h, classes)
    if not train:
        return net.graph(probs=net.line("probs").op("softmax", logits, axis=1))
    label = net.input("label", n, dtype=DType.I64)
    loss = mean_cross_entropy(net, logits, label)
    make = net.line("accuracy")
    right = make.op("cast", make.op("eq", make.op("argmax", logits, axis=1), label), dtype=DType.F32)
    return net.graph(loss=loss, accuracy=make.op("reduce_mean", right, axes=(0,)))


def spec_of(**changes: Any) -> TrainSpec:
    features, dropout = changes.pop("features", 64), changes.pop("dropout", False)
    base = TrainSpec(
        graph=mlp(True, features, dropout=dropout),
        evaluation=mlp(True, features),
        targets=("label",),
        optimizer=SGD,
        schedule=CONSTANT,
        epochs=3,
        batch=32,
        metrics=("accuracy",),
    )
    return replace(base, **changes)


def trainer_of(seed: int = 0, source: str = "x", **changes: Any) -> Trainer:
    spec = spec_of(**changes)
    step = training_step(spec)

    def replay(graph: Graph, inputs: Any, params: Any, observe: Any) -> None:
        evaluate(graph, inputs, params, observe=observe)

    net = mlp(features=changes.get("features", 64))
    programs = Programs(spec, net, step, Ready(step), Ready(spec.evaluation), replay, "reference", source)
    return Trainer(programs, Family(programs.net.params), seed)


def model_of(graph: Graph) -> Model:
    module = Module(Source("hand.net", ""), {graph.name: graph})
    return Model(module, graph, Ready(graph), "reference", Family(graph.params))
