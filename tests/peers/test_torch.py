"""PyTorch agrees: loss, gradients and three steps of every optimiser, for three networks, on every backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from netlang.driver import backend_for
from netlang.ir.graph import Graph
from netlang.ir.module import Call
from netlang.ir.types import DType
from netlang.passes import training_pipeline
from netlang.passes.autodiff import differentiate
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from tests.nets import Array, random_inputs, random_params, spec
from tests.peers.networks import BATCH, PEERS, Peer, functional

torch = pytest.importorskip("torch")

RATE = float(np.float32(0.02))
STEPS = 3


@dataclass(frozen=True)
class Target:
    """A backend, the element type of the net on it, and how near to PyTorch in f64 it must come.

    gradients   the tolerance for the loss and the gradients
    steps       that for the weights after the steps; the learning rate is f32 in any case
    eps         what the adaptive optimisers add to their divisor. With the default of 1e-8 they turn a gradient that
                is zero but for rounding into a step of full length: no two programs agree on that.
    """

    backend: str
    dtype: DType
    gradients: float
    steps: float
    eps: float


TARGETS = (
    Target("reference", DType.F64, gradients=1e-9, steps=1e-7, eps=1e-6),
    Target("cpu", DType.F32, gradients=1e-4, steps=1e-4, eps=1e-3),
)


@dataclass(frozen=True)
class Optimizer:
    """An optimiser in both worlds. `call` and `peer` are told eps."""

    call: Callable[[float], Call]
    peer: Callable[[Any, float], Any]


def _sgd(nesterov: bool, decay: float) -> Optimizer:
    args = {"momentum": 0.9, "nesterov": nesterov, "weight_decay": decay}
    return Optimizer(
        lambda eps: Call("sgd", {"lr": RATE, **args}), lambda params, eps: torch.optim.SGD(params, RATE, **args)
    )


def _adaptive(name: str, peer: Any, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Optimizer:
    return Optimizer(
        lambda eps: Call(name, {"lr": RATE, "eps": eps, **ours}),
        lambda params, eps: peer(params, RATE, eps=eps, **theirs),
    )


def _adam(name: str, peer: Any, decay: float) -> Optimizer:
    ours = {"beta1": 0.8, "beta2": 0.99, "weight_decay": decay}
    return _adaptive(name, peer, ours, {"betas": (0.8, 0.99), "weight_decay": decay})


def _same(name: str, peer: Any, **args: float) -> Optimizer:
    return _adaptive(name, peer, args, args)


OPTIMIZERS = {
    "momentum": _sgd(nesterov=False, decay=0.0),
    "nesterov": _sgd(nesterov=True, decay=0.01),
    "adam": _adam("adam", torch.optim.Adam, 0.0),
    "adam-decay": _adam("adam", torch.optim.Adam, 0.01),
    "adamw": _adam("adamw", torch.optim.AdamW, 0.05),
    "rmsprop": _same("rmsprop", torch.optim.RMSprop, alpha=0.9, momentum=0.0, weight_decay=0.0),
    "rmsprop-momentum": _same("rmsprop", torch.optim.RMSprop, alpha=0.9, momentum=0.5, weight_decay=0.01),
    "adagrad": _same("adagrad", torch.optim.Adagrad, weight_decay=0.01),
}


class Ours:
    """A graph compiled for a target, and its parameters."""

    def __init__(self, graph: Graph, target: Target) -> None:
        backend = backend_for(target.backend)
        simplified = PassManager().run(graph, training_pipeline())
        self.executable = backend.compile(backend.prepare(simplified), threads=2)
        self.params = random_params(graph)

    def run(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        inputs = {v.node.name: batch[v.node.name] for v in self.executable.graph.inputs}
        found: dict[str, Array] = self.executable.run(inputs, self.params)
        return found


class Theirs:
    """The same network in PyTorch, in f64, from the same parameters."""

    def __init__(self, peer: Peer, graph: Graph, params: Mapping[str, Array]) -> None:
        self.peer = peer
        roles = {v.node.name: v.node.attrs["role"] for v in graph.params}
        tensors = {name: torch.tensor(params[name], dtype=torch.float64) for name in roles}
        self.buffers = {name: t for name, t in tensors.items() if roles[name] == "buffer"}
        self.weights = {name: t.requires_grad_() for name, t in tensors.items() if roles[name] == "weight"}

    def loss(self, batch: Mapping[str, Array]) -> Any:
        image, label = torch.tensor(batch["image"], dtype=torch.float64), torch.tensor(batch["label"])
        return functional().cross_entropy(self.peer.logits(self.weights, self.buffers, image), label)


def batches(graph: Graph, count: int) -> list[dict[str, Array]]:
    return [
        {**random_inputs(graph, {"N": BATCH}, seed=100 + i), "$lr": np.array(RATE, np.float32)} for i in range(count)
    ]


def close(ours: Array, theirs: Any, tolerance: float, what: str) -> None:
    """Within `tolerance` of the largest element."""
    wanted = theirs.detach().numpy()
    scale = max(float(np.abs(wanted).max()), 1e-3)
    np.testing.assert_allclose(ours, wanted, rtol=tolerance, atol=tolerance * scale, err_msg=what)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.backend}-{t.dtype}")
@pytest.mark.parametrize("name", PEERS)
def test_loss_and_gradients(name: str, target: Target) -> None:
    graph = PEERS[name].graph(target.dtype)
    ours = Ours(differentiate(graph), target)
    theirs = Theirs(PEERS[name], graph, ours.params)
    (batch,) = batches(graph, 1)
    found, loss = ours.run(batch), theirs.loss(batch)
    loss.backward()
    close(found["loss"], loss, target.gradients, "loss")
    for weight, tensor in theirs.weights.items():
        close(found[f"grad.{weight}"], tensor.grad, target.gradients, weight)
    for buffer, tensor in theirs.buffers.items():
        close(ours.params[buffer], tensor, target.gradients, buffer)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.backend}-{t.dtype}")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", PEERS)
def test_three_optimiser_steps(name: str, optimizer: str, target: Target) -> None:
    graph = PEERS[name].graph(target.dtype)
    both = OPTIMIZERS[optimizer]
    ours = Ours(training_step(spec(graph, both.call(target.eps))), target)
    theirs = Theirs(PEERS[name], graph, ours.params)
    peer = both.peer(theirs.weights.values(), target.eps)
    for number, batch in enumerate(batches(graph, STEPS)):
        found, loss = ours.run(batch), theirs.loss(batch)
        close(found["loss"], loss, target.steps, f"loss of step {number}")
        peer.zero_grad()
        loss.backward()
        peer.step()
    for weight, tensor in theirs.weights.items():
        close(ours.params[weight], tensor, target.steps, weight)
    for buffer, tensor in theirs.buffers.items():
        close(ours.params[buffer], tensor, target.steps, buffer)
