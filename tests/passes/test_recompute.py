"""Training steps within a memory budget: the plan is under it, and every number is the same, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netlang
from netlang import driver
from netlang.cli import main
from netlang.cli.profile import random_inputs
from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.ir import dims
from netlang.ir.graph import Graph
from netlang.ir.parse import parse_graph
from netlang.ir.text import print_graph
from netlang.ir.verify import verify
from netlang.passes import training_pipeline
from netlang.passes.lifetimes import Lives
from netlang.passes.manager import PassManager
from netlang.passes.memory import plan
from netlang.passes.optimizer import training_step
from netlang.passes.recompute import fit
from netlang.passes.repeat import draft
from netlang.runtime.parameters import initialise
from tests.nets import same_bits

DEEP = """
block unit(x) {
  return relu(batchnorm(conv(x, 16, 3, pad = 1)) + x)
}

net deep {
  input image: f32[N, 3, 20, 24]
  stem = image -> conv(16, 3, pad = 1) -> batchnorm -> relu
  maps = stem -> unit -> unit -> dropout(0.2) -> unit -> unit -> unit -> unit -> maxpool(2) -> unit
  logits = maps -> flatten -> dropout(0.5) -> dense(10)
  output probs = softmax(logits)
}

train {
  target label: i64[N]
  loss       cross_entropy(logits, label)
  metric     accuracy(logits, label)
  optimizer  sgd(lr = 0.05, momentum = 0.9)
  batch      8
}
"""
SIZES = {"N": 8}
CALLS = 3


@pytest.fixture(scope="module", params=["cpu", "reference"])
def backend(request: pytest.FixtureRequest) -> Any:
    return driver.backend_for(request.param)


def step_of(backend: Any) -> Graph:
    spec = load(DEEP).train
    assert spec is not None
    prepared: Graph = backend.prepare(PassManager().run(training_step(spec), training_pipeline()))
    return prepared


def trained(backend: Any, graph: Graph) -> dict[str, Any]:
    """The outputs of some steps and the parameters after them."""
    params = initialise(graph.params, 0)
    given = random_inputs(graph, SIZES)
    given["$lr"][...] = 0.02
    compiled = backend.compile(graph, threads=2)
    found: dict[str, Any] = {}
    for call in range(CALLS):
        given["$rng"][...] = (7, call)
        found |= {f"{name} {call}": value for name, value in compiled.run(given, params).items()}
    return found | params


@pytest.mark.parametrize("part", [0.9, 0.8, 0.7])
def test_the_plan_is_under_the_budget_and_the_bits_are_the_same(backend: Any, part: float) -> None:
    graph = step_of(backend)
    whole = backend.plan(graph, SIZES)
    budget = int((whole.peak + whole.kept) * part)
    found = fit(graph, budget, SIZES, lambda g: backend.plan(g, SIZES))
    verify(found.graph, "recompute")
    after = backend.plan(found.graph, SIZES)
    assert after.peak + after.kept == found.bytes <= budget
    assert found.repeated > 0
    assert same_bits(trained(backend, graph), trained(backend, found.graph))


def test_where_there_is_room_nothing_is_repeated(backend: Any) -> None:
    graph = step_of(backend)
    whole = backend.plan(graph, SIZES)
    found = fit(graph, whole.peak + whole.kept, SIZES, lambda g: backend.plan(g, SIZES))
    assert found.graph is graph and found.repeated == 0


def test_a_smaller_budget_takes_more_operations_and_a_little_saving_few(backend: Any) -> None:
    graph = step_of(backend)
    whole = backend.plan(graph, SIZES)
    work = draft(graph, SIZES, whole)
    total = sum(facts.work for facts in work.facts.values())
    repeated = [
        fit(graph, int((whole.peak + whole.kept) * part), SIZES, lambda g: backend.plan(g, SIZES)).repeated
        for part in (0.9, 0.8, 0.7)
    ]
    assert repeated == sorted(repeated)
    assert 0 < repeated[0] < 0.1 * total
    assert repeated[-1] < total


def test_lifetimes_are_about_those_of_the_plan(backend: Any) -> None:
    graph = step_of(backend)
    found = backend.plan(graph, SIZES)
    lives = Lives(draft(graph, SIZES, found))
    assert abs(lives.peak - found.lower_bound) < 0.05 * found.lower_bound


def test_the_graph_has_a_text_that_parses_back() -> None:
    backend = driver.backend_for("reference")
    graph = step_of(backend)
    found = fit(graph, 0, SIZES, lambda g: plan(g, SIZES)).graph
    assert any(node.op == "after" for node in found.nodes)
    text = print_graph(found)
    assert print_graph(parse_graph(text)) == text


# ---- through the front door


def held(graph: Graph) -> int:
    return sum(dims.evaluate(v.type.bytes, SIZES) for v in (*graph.inputs, *graph.params))


def test_a_trainer_within_a_budget_learns_the_same() -> None:
    losses, stores = [], []
    x = np.random.default_rng(0).standard_normal((8, 3, 20, 24)).astype(np.float32)
    backend = driver.backend_for("cpu")
    graph = step_of(backend)
    plan = backend.plan(graph, SIZES)
    for memory in (None, held(graph) + int(0.75 * plan.peak)):
        trainer = netlang.compile(DEEP).init(0).trainer(seed=1, memory=memory)
        losses.append([trainer(x, np.arange(8)) for _ in range(4)])
        stores.append(trainer.store)
        needed = held(graph) + trainer.programs.step.planned_bytes(SIZES)
        assert memory is None or needed <= memory
    assert losses[0] == losses[1] and same_bits(*stores)


def test_a_budget_that_cannot_be_met_says_the_least() -> None:
    trainer = netlang.compile(DEEP).init(0).trainer(memory=100_000)
    with pytest.raises(NetError, match=r"with N = 8 needs at least [\d.]+ MB.*0\.1 MB are not enough") as caught:
        trainer.build()
    assert "a smaller batch needs less" in str(caught.value)


def test_other_symbolic_dims_are_refused() -> None:
    text = DEEP.replace("f32[N, 3, 20, 24]", "f32[N, 3, H, 24]").replace(" -> flatten", " -> mean((2, 3))")
    with pytest.raises(NetError, match="memory cannot be planned for a batch alone: H is not known either"):
        netlang.compile(text).init(0).trainer(memory=10**9)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deep.net"
    path.write_text(DEEP)
    assert main(["profile", str(path), "--memory", "1GB"]) == 2
    assert "--memory is for training steps" in capsys.readouterr().err
    assert main(["profile", str(path), "--train", "--calls", "1"]) == 0
    usual = capsys.readouterr().out
    assert main(["profile", str(path), "--train", "--calls", "1", "--memory", "1GB"]) == 0
    assert "(again)" not in usual + capsys.readouterr().out and "memory: " in usual
    backend = driver.backend_for("cpu")
    graph = step_of(backend)
    budget = held(graph) + int(0.75 * backend.plan(graph, SIZES).peak)
    assert main(["profile", str(path), "--train", "--calls", "1", "--memory", str(budget)]) == 0
    assert "(again)" in capsys.readouterr().out
    assert main(["profile", str(path), "--train", "--memory", "10kB"]) == 2
    assert "needs at least" in capsys.readouterr().err
