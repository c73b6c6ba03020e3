"""PyTorch agrees on recurrent layers: outputs, last states and all gradients; ragged batches against packed ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.driver import backend_for
from netlang.frontend import load
from netlang.ir.build import Builder
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph
from netlang.passes import training_pipeline
from netlang.passes.manager import PassManager

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

Array = NDArray[Any]
N, T, F, H = 3, 5, 4, 6
LENGTHS = np.array([5, 2, 4])
B = Builder()


@cache
def arrays() -> Mapping[str, Array]:
    rng = np.random.default_rng(3)
    shapes = {"x": (N, T, F), "h": (N, H), "c": (N, H), "hs": (N, T, H)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def net(layer: str, states: int, ragged: bool) -> Graph:
    """Loss: sums of the outputs and the last states with weights of their own."""
    given = ["h", "c"][:states]
    names = ["hs", *(f"{s}n" for s in given)]
    inputs = [f"input {s}: f64[N, {H}]" for s in given] + [f"input weight_{s}: f64[N, {H}]" for s in given]
    if ragged:
        inputs.append("input lengths: i64[N]")
    call = layer.replace(")", f", state = {given[0] if states == 1 else '(h, c)'}, states = true)")
    if ragged:
        call = call.replace("states = true", "states = true, lengths = lengths")
    sums = " + ".join(f"sum({s}n * weight_{s})" for s in given)
    text = f"""
        net n() {{
          input x: f64[N, T, {F}]
          input weight_hs: f64[N, T, {H}]
          {chr(10).join(inputs)}
          {", ".join(names)} = x -> {call}
          output loss = sum(hs * weight_hs) + {sums}
          {chr(10).join(f"output out_{n} = {n}" for n in names)}
        }}"""
    return load(text).net


def with_gradients(graph: Graph, names: Sequence[str]) -> Graph:
    wrt = [graph.input(n) for n in names] + list(graph.params)
    found = gradients(graph.output("loss"), wrt)
    return graph.replace(
        outputs=(*graph.outputs, *((f"grad.{v.node.name}", g) for v, g in zip(wrt, found, strict=True)))
    )


def ours(graph: Graph, params: Mapping[str, Array], target: str) -> dict[str, Array]:
    feed = {"lengths": LENGTHS, **arrays()}
    feed |= {f"weight_{n}": np.cos(7 * a) for n, a in arrays().items()}
    feed = {v.node.name: feed[v.node.name] for v in graph.inputs}
    backend = backend_for(target)
    prepared = PassManager().run(graph, [*training_pipeline(), *backend.passes])
    return backend.compile(prepared).run(feed, dict(params))


def tensor(array: Array) -> Any:
    return torch.tensor(array, requires_grad=True)


def theirs(module: Any, states: int, ragged: bool, reverse: bool) -> tuple[dict[str, Array], dict[str, Array]]:
    """Outputs and gradients of a module of PyTorch, and its parameters; `reverse` turns the time around."""
    given = {n: tensor(arrays()[n]) for n in ("x", "h", "c")[: 1 + states]}
    x = given["x"]
    first = tuple(given[s][None] for s in ("h", "c")[:states])
    start = first if states == 2 else first[0]
    if reverse:
        x = torch.flip(x, (1,))
    if ragged:
        x = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    hs, last = module(x, start)
    if ragged:
        hs, _ = torch.nn.utils.rnn.pad_packed_sequence(hs, batch_first=True)
    if reverse:
        hs = torch.flip(hs, (1,))
    last = [s[0] for s in (last if states == 2 else (last,))]
    outputs = {"out_hs": hs, **{f"out_{n}n": s for n, s in zip("hc", last, strict=False)}}
    loss = (hs * torch.tensor(np.cos(7 * arrays()["hs"]))).sum()
    for n, s in zip("hc", last, strict=False):
        loss = loss + (s * torch.tensor(np.cos(7 * arrays()[n]))).sum()
    loss.backward()
    found = {k: v.detach().numpy() for k, v in outputs.items()}
    return found | {"loss": loss.detach().numpy()}, {f"grad.{k}": v.grad.numpy() for k, v in given.items()}


def parameters(module: Any, kind: str) -> tuple[dict[str, Array], dict[str, str]]:
    """The module's parameters under our names, and which gradient of the module belongs to which of ours."""
    own = {k: v.detach().numpy() for k, v in module.named_parameters()}
    named = {"input_weight": "weight_ih_l0", "state_weight": "weight_hh_l0"}
    if kind == "gru":
        named |= {"input_bias": "bias_ih_l0", "state_bias": "bias_hh_l0"}
    else:
        named |= {"bias": "bias_ih_l0"}
        own["bias_ih_l0"] = own["bias_ih_l0"] + own["bias_hh_l0"]
    path = f"{kind}1.cell."
    return {path + mine: own[their] for mine, their in named.items()}, {path + m: t for m, t in named.items()}


KINDS = {
    "rnn": (f"rnn({H})", 1, lambda: torch.nn.RNN(F, H, batch_first=True, dtype=torch.float64)),
    "gru": (f"gru({H})", 1, lambda: torch.nn.GRU(F, H, batch_first=True, dtype=torch.float64)),
    "lstm": (f"lstm({H})", 2, lambda: torch.nn.LSTM(F, H, batch_first=True, dtype=torch.float64)),
}


def compare(kind: str, layer: str, target: str, ragged: bool = False, reverse: bool = False) -> None:
    _, states, make = KINDS[kind]
    torch.manual_seed(1)
    module = make()
    params, names = parameters(module, kind)
    wanted, slopes = theirs(module, states, ragged, reverse)
    graph = with_gradients(net(layer, states, ragged), ["x", "h", "c"][: 1 + states])
    slopes |= {f"grad.{mine}": getattr(module, their).grad.numpy() for mine, their in names.items()}
    found = ours(graph, params, target)
    assert found.keys() == wanted.keys() | slopes.keys()
    for name, value in {**wanted, **slopes}.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("target", ["reference", "cpu"])
@pytest.mark.parametrize("kind", KINDS)
def test_forward(kind: str, target: str) -> None:
    compare(kind, KINDS[kind][0], target)


@pytest.mark.parametrize("target", ["reference", "cpu"])
@pytest.mark.parametrize("kind", KINDS)
def test_backward(kind: str, target: str) -> None:
    compare(kind, KINDS[kind][0].replace(")", ", reverse = true)"), target, reverse=True)


@pytest.mark.parametrize("target", ["reference", "cpu"])
@pytest.mark.parametrize("kind", KINDS)
def test_ragged(kind: str, target: str) -> None:
    compare(kind, KINDS[kind][0], target, ragged=True)


def test_forget_bias() -> None:
    """A bias of 1 on the forget gate is one that is added to PyTorch's parameter."""
    x = arrays()["x"]
    graph = load(f"net n() {{ input x: f64[N, T, {F}]\n output y = x -> lstm({H}, forget_bias = 1) }}").net
    module = KINDS["lstm"][2]()
    params, _ = parameters(module, "lstm")
    with torch.no_grad():
        module.bias_hh_l0[H : 2 * H] += 1
        wanted = module(torch.tensor(x))[0].numpy()
    found = backend_for("reference").compile(graph).run({"x": x}, params)
    np.testing.assert_allclose(found["y"], wanted, rtol=1e-9, atol=1e-12)


def test_ragged_both_ways() -> None:
    """The backward half begins at each sequence's own end, as in a packed batch of PyTorch."""
    text = f"""
        net n() {{
          input x: f64[N, T, {F}]
          input lengths: i64[N]
          output y = x -> bidirectional(lstm, {H}, lengths = lengths)
        }}"""
    graph = load(text).net
    module = torch.nn.LSTM(F, H, batch_first=True, bidirectional=True, dtype=torch.float64)
    own = {k: v.detach().numpy() for k, v in module.named_parameters()}
    params: dict[str, Array] = {}
    for half, end in (("forward", ""), ("backward", "_reverse")):
        path = f"bidirectional1.{half}.cell."
        params[path + "input_weight"] = own["weight_ih_l0" + end]
        params[path + "state_weight"] = own["weight_hh_l0" + end]
        params[path + "bias"] = own["bias_ih_l0" + end] + own["bias_hh_l0" + end]
    x = arrays()["x"]
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        torch.tensor(x), torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False
    )
    wanted = torch.nn.utils.rnn.pad_packed_sequence(module(packed)[0], batch_first=True)[0].detach().numpy()
    found = backend_for("reference").compile(graph).run({"x": x, "lengths": LENGTHS}, params)
    np.testing.assert_allclose(found["y"], wanted, rtol=1e-9, atol=1e-12)
