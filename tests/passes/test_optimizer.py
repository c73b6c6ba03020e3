"""One training step as a graph, against PyTorch, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netlang.backends.reference import evaluate
from netlang.diagnostics import NetError
from netlang.ir.graph import Graph
from netlang.ir.module import Call
from netlang.ir.types import DType
from netlang.ir.verify import verify
from netlang.passes.optimizer import STEP, training_step
from tests.nets import SGD, Array, Net, lenet5, nodes_of, random_inputs, random_params, spec

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {}),
    ("sgd", {"weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9, "weight_decay": 0.01}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("adam", {}),
    ("adam", {"beta1": 0.8, "beta2": 0.9, "weight_decay": 0.1}),
    ("adamw", {"weight_decay": 0.1}),
    ("rmsprop", {}),
    ("rmsprop", {"alpha": 0.9, "momentum": 0.8, "weight_decay": 0.01}),
    ("adagrad", {}),
    ("adagrad", {"weight_decay": 0.1}),
]
DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"lr": 0.05, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
    "adam": {"lr": 0.05, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0},
    "adamw": {"lr": 0.05, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01},
    "rmsprop": {"lr": 0.05, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "weight_decay": 0.0},
    "adagrad": {"lr": 0.05, "eps": 1e-10, "weight_decay": 0.0},
}
CLIPS = [None, Call("norm", {"max": 0.5}), Call("norm", {"max": 100.0}), Call("value", {"max": 0.05})]


def perceptron() -> Graph:
    """sum((tanh(x w1 + b1) w2 + b2)^2) / 8, and a weight that the loss does not depend on."""
    net = Net("perceptron")
    x = net.input("x", 8, 5)
    h = net.dense("fc2", net.line().op("tanh", net.dense("fc1", x, 4)), 3)
    net.param(net.line("idle"), "idle", 2)
    make = net.line("loss")
    return net.graph(loss=make.scale(make.sum(make.mul(h, h), (0, 1)), 1 / 8))


def step(graph: Graph, inputs: dict[str, Array], params: dict[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """The outputs of one step, and all parameters after it."""
    outputs, updates = evaluate(graph, inputs, params)
    return outputs, {**params, **updates}


def torch_optimizer(torch: Any, name: str, args: dict[str, Any], weights: list[Any]) -> Any:
    args = dict(args)
    if name in ("adam", "adamw"):
        args["betas"] = (args.pop("beta1"), args.pop("beta2"))
    classes = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "adagrad": "Adagrad"}
    return getattr(torch.optim, classes[name])(weights, foreach=False, **args)


def torch_steps(name: str, args: dict[str, Any], clip: Call | None, given: list[Array], start: dict[str, Array]) -> Any:
    torch = pytest.importorskip("torch")
    weights = {k: torch.tensor(v, requires_grad=True) for k, v in start.items()}
    optimizer = torch_optimizer(torch, name, args, list(weights.values()))
    for x in given:
        h = torch.tanh(torch.nn.functional.linear(torch.tensor(x), weights["fc1.weight"], weights["fc1.bias"]))
        h = torch.nn.functional.linear(h, weights["fc2.weight"], weights["fc2.bias"])
        optimizer.zero_grad()
        ((h**2).sum() / 8).backward()
        if clip is not None and clip.name == "norm":
            torch.nn.utils.clip_grad_norm_(weights.values(), clip["max"])
        elif clip is not None:
            torch.nn.utils.clip_grad_value_(weights.values(), clip["max"])
        optimizer.step()
    return {k: w.detach().numpy() for k, w in weights.items()}


def check_against_torch(name: str, given: dict[str, Any], clip: Call | None, steps: int = 4) -> None:
    args = {**DEFAULTS[name], **given}
    graph = training_step(spec(perceptron(), Call(name, args), clip))
    verify(graph)
    params = random_params(graph)
    weights = {v.node.name: params[v.node.name] for v in graph.params if v.node.attrs["role"] == "weight"}
    batches = [np.random.default_rng(i).normal(size=(8, 5)).astype(np.float32) for i in range(steps)]
    wanted = torch_steps(name, args, clip, batches, weights)
    for x in batches:
        _, params = step(graph, {"x": x, "$lr": np.array(args["lr"], np.float32)}, params)
    for key, value in wanted.items():
        np.testing.assert_allclose(params[key], value, rtol=2e-5, atol=2e-6, err_msg=key)
    assert params[STEP] == steps


@pytest.mark.parametrize(("name", "args"), OPTIMIZERS, ids=lambda v: str(v))
def test_optimizer_is_pytorchs(name: str, args: dict[str, Any]) -> None:
    check_against_torch(name, args, None)


@pytest.mark.parametrize("clip", CLIPS, ids=str)
def test_clipping_is_pytorchs(clip: Call | None) -> None:
    check_against_torch("sgd", {"momentum": 0.9, "weight_decay": 0.01}, clip)


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16, DType.F64])
@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_other_float_types(name: str, dtype: DType) -> None:
    net = Net(dtype=dtype)
    y = net.dense("fc", net.input("x", 4, 3), 2)
    loss = net.line().op("reduce_mean", net.line().mul(y, y), axes=(0, 1))
    args = {**DEFAULTS[name], "eps": 1e-3}
    graph = training_step(spec(net.graph(loss=loss), Call(name, args), Call("norm", {"max": 1.0})))
    verify(graph)
    params, inputs = random_params(graph), random_inputs(graph, {})
    losses = []
    for _ in range(3):
        outputs, params = step(graph, inputs, params)
        losses.append(float(outputs["loss"]))
    assert losses[2] < losses[0]
    assert all(params[v.node.name].dtype == v.dtype.numpy for v in graph.params)


def test_state_is_declared_for_every_reached_weight() -> None:
    graph = training_step(spec(perceptron(), Call("adam", DEFAULTS["adam"])))
    state = {v.node.name: v for v in graph.params if v.node.attrs["role"] == "state"}
    weights = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
    assert set(state) == {STEP, *(f"{w}.{slot}" for w in weights for slot in ("m", "v"))}
    assert all(v.node.attrs["init"] == ("constant", 0.0) for v in state.values())
    assert state["fc1.weight.m"].type == graph.param("fc1.weight").type
    assert {name for name, _ in graph.updates} == {*state, *weights}
    assert [v.node.name for v in graph.inputs] == ["x", "$lr"]


def test_the_last_layers_are_updated_first_but_no_weight_before_its_last_reader() -> None:
    graph = training_step(spec(lenet5(train=True), SGD))
    names = [name for name, _ in graph.updates if not name.endswith("momentum")]
    assert names[:3] == ["fc3.bias", "fc2.bias", "fc3.weight"] and names[-2] == "conv1.weight"
    assert overwritten_too_early(graph) == []


def overwritten_too_early(graph: Graph) -> list[str]:
    """The params whose old value is read after the node that computes the new one."""
    place = {node: i for i, node in enumerate(graph.nodes)}
    new = dict(graph.updates)
    reads = [(value.node.name, node) for node in graph.nodes for value in node.inputs if value.node.op == "param"]
    return [name for name, node in reads if name in new and place[node] > place[new[name].node]]


def without_biases() -> Graph:
    net = Net()
    h = net.input("x", 2, 3, 8, 8)
    for i in range(7):
        h = net.line().op("relu", net.conv(f"c{i}", h, 3, 3, bias=False, pad=1))
    return net.graph(loss=net.line().sum(net.line().mul(h, h), (0, 1, 2, 3)))


def test_few_weights_wait_at_a_time() -> None:
    graph = training_step(spec(without_biases(), SGD))
    names = [name for name, _ in graph.updates if not name.endswith("momentum")]
    assert names == ["c4.weight", "c6.weight", "c5.weight", "c1.weight", "c3.weight", "c2.weight", "c0.weight", STEP]
    assert overwritten_too_early(graph) == ["c4.weight", "c1.weight"]


def test_updates_keep_the_place_of_their_parameter() -> None:
    graph = training_step(spec(lenet5(train=True), SGD))
    for name, value in graph.updates:
        if name != STEP:
            assert value.node.spans == graph.param(name).node.spans


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_changes_nothing(bad: float) -> None:
    net = Net()
    x = net.input("x", 3)
    w = net.param(net.line("w"), "w", 3)
    running = net.param(net.line("mean"), "mean", 3, role="buffer")
    make = net.line("loss")
    net.updates.append(("mean", make.add(running, make.mul(x, w))))
    graph = training_step(spec(net.graph(loss=make.sum(make.mul(x, w), (0,))), SGD))
    params = random_params(graph)
    good = np.ones(3, np.float32)
    for values, changed in ((np.array([1, bad, 2], np.float32), False), (good, True)):
        _, after = step(graph, {"x": values, "$lr": np.array(0.1, np.float32)}, params)
        assert all((after[k].tobytes() != params[k].tobytes()) == changed for k in ("w", "mean", "w.momentum", STEP))


def test_buffers_are_updated_with_the_weights() -> None:
    net = Net()
    x = net.input("x", 3)
    running = net.param(net.line("mean"), "mean", 3, role="buffer")
    w = net.param(net.line("w"), "w", 3)
    make = net.line()
    net.updates.append(("mean", make.add(make.scale(running, 0.9), make.scale(x, 0.1))))
    graph = training_step(spec(net.graph(loss=make.sum(make.mul(w, x), (0,))), SGD))
    params = {**random_params(graph), "mean": np.ones(3, np.float32)}
    _, after = step(graph, {"x": np.full(3, 2, np.float32), "$lr": np.array(0.5, np.float32)}, params)
    np.testing.assert_allclose(after["mean"], 1.1, rtol=1e-6)
    np.testing.assert_allclose(after["w"], params["w"] - 1.0, rtol=1e-6)


def test_training_lowers_the_loss() -> None:
    graph = training_step(spec(lenet5(train=True, size=16), SGD))
    params, inputs = random_params(graph), random_inputs(graph, {"N": 4})
    params = {k: v * np.float32(0.3) for k, v in params.items()}
    inputs["$lr"] = np.array(0.02, np.float32)
    losses = []
    for _ in range(8):
        outputs, params = step(graph, inputs, params)
        losses.append(float(outputs["loss"]))
    assert losses[-1] < 0.9 * losses[0]


def test_the_pooled_map_is_all_that_the_backward_graph_reads() -> None:
    graph = training_step(spec(lenet5(train=True), SGD))
    for relu in nodes_of(graph, "relu"):
        assert relu.inputs[0].node.op == "add"
        if relu.out.rank == 4:
            assert relu.inputs[0].node.inputs[0].node.op == "max_pool"


@pytest.mark.parametrize(
    ("optimizer", "clip"), [(Call("sgdd", {}), None), (SGD, Call("nrom", {"max": 1.0}))], ids=["optimizer", "clip"]
)
def test_unknown_names_are_user_errors(optimizer: Call, clip: Call | None) -> None:
    with pytest.raises(NetError, match=r"unknown optimizer sgdd|clip knows norm and value, not nrom"):
        training_step(spec(perceptron(), optimizer, clip))
