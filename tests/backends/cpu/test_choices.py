"""Choices: whoever makes them, the results are the same numbers up to rounding."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.backends.common.choices import (
    MOST,
    Candidate,
    Choices,
    Remembered,
    Trial,
    cheapest,
    near_best,
    problem_name,
)
from netlang.backends.cpu import Cpu
from netlang.backends.cpu.backend import lowered
from netlang.backends.cpu.executable import Executable
from netlang.backends.cpu.target import host
from netlang.backends.cpu.tune import METHOD
from netlang.backends.reference import Reference
from netlang.frontend import load
from netlang.ir.graph import Graph
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from netlang.runtime.samples import initial_params, random_inputs
from tests.backends.cpu.tiled import assert_close

NET = """
net odd {
  input image: f32[N, 3, 29, 31]
  stem = image -> conv(48, 3, pad = 1) -> relu -> conv(64, 3, pad = 1) -> relu -> maxpool(2)
  wide = stem -> conv(49, 5, pad = 2) -> relu
  joined = concat([wide -> conv(32, 3, pad = 1) -> relu, wide -> conv(16, 1), wide -> conv(32, 5, pad = 2)], axis = 1)
  deep = joined -> conv(32, 1) -> relu -> conv(64, 3, stride = 2) -> relu
  output logits = deep -> flatten -> dense(70) -> relu -> dense(10)
}

net rows {
  input image: f32[N, 1, 28, 28]
  output y = image -> conv(6, 5) -> relu -> maxpool(2)
}
"""
TRAIN = """
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)
}
"""


def prepared(graph: Graph, train: bool = False) -> Graph:
    passes = [*(training_pipeline() if train else inference_pipeline()), *Cpu().passes]
    return PassManager().run(graph, passes)


def nets() -> dict[str, Graph]:
    found = load(NET).nets
    step = training_step(load(NET.partition("\n\nnet rows")[0] + TRAIN).train)
    return {"odd": prepared(found["odd"]), "rows": prepared(found["rows"]), "step": prepared(step, train=True)}


@pytest.mark.parametrize("name", ["odd", "rows", "step"])
def test_every_candidate_computes_the_same(name: str) -> None:
    graph = nets()[name]
    inputs = random_inputs(graph, {"N": 2})
    wanted_params = initial_params(graph)
    wanted = Reference().compile(graph).run(inputs, wanted_params)
    offered = 0
    for kinds in METHOD.kinds:
        for rank in range(MOST):
            trial = Trial({}, kinds=kinds, rank=rank)
            context, steps = lowered(graph, host(), choices=trial)
            if rank and not any(len(names) > rank for names in trial.offers.values()):
                continue
            offered += len(trial.offers)
            params = initial_params(graph)
            got = Executable(graph, context, steps, 2).run(inputs, params)
            for output, expected in wanted.items():
                assert_close(got[output], expected, f"{kinds} {rank}: {output}", 1e-3)
            for param, expected in wanted_params.items():
                assert_close(params[param], expected, f"{kinds} {rank}: {param}", 1e-3)
    assert offered > 3


def test_the_model_takes_the_cheapest_and_the_first_of_several() -> None:
    candidates = [Candidate("a", 2.0), Candidate("b", 1.0), Candidate("c", 1.0), Candidate("d", 9.0)]
    assert cheapest(candidates) == "b"
    assert near_best(candidates) == ["b", "c", "a"]
    assert len(near_best([Candidate(str(i), 1.0) for i in range(9)])) == MOST


def test_the_best_of_several_algorithms_are_measured() -> None:
    tiles = [Candidate(f"tile {i}", 1.0 + i / 10) for i in range(6)]
    others = [Candidate(f"{kind} {i}", 1.5 + i / 10, kind) for kind in ("x", "y") for i in range(3)]
    assert near_best([*others, *tiles]) == ["tile 0", "tile 1", "x 0", "y 0"]
    assert near_best([*tiles, Candidate("far", 2.1, "far")]) == ["tile 0", "tile 1", "tile 2", "tile 3"]
    assert len(near_best([Candidate(str(i), 1.0, str(i)) for i in range(9)])) == MOST


def test_what_is_remembered_goes_before_the_model() -> None:
    graph = nets()["odd"]
    trial = Trial({}, kinds=("tile",))
    lowered(graph, host(), choices=trial)
    problem, names = next(iter(trial.offers.items()))
    node = next(iter(trial.owners[problem]))
    candidates = [Candidate(name, 1.0 + place) for place, name in enumerate(names)]

    def picked(table: dict[str, str]) -> str:
        return Remembered(table).pick(graph, node, "tile", candidates)

    assert picked({}) == picked({"tile elsewhere": names[1]}) == Choices().pick(graph, node, "tile", candidates)
    assert picked({problem: names[1]}) == names[1]
    assert picked({problem: "something else"}) == names[0]
    sized = Remembered({f"{problem} N=2 T=3": names[1]})
    assert sized.pick(graph, node, "tile", candidates, {"T": 3, "N": 2}) == names[1]
    assert sized.pick(graph, node, "tile", candidates, {"T": 3, "N": 4}) == names[0]
    steps = lowered(graph, host(), choices=Remembered({problem: names[1]}))[1]
    keys = [step.kernel.key for own in steps.values() for step in own]
    rows, columns = names[1].split("x")
    assert any(f"rows={rows}, columns={columns}," in key for key in keys)


def test_what_a_node_chooses_several_times_it_chooses_by_one_name() -> None:
    graph = nets()["rows"]
    node, trial = graph.outputs[0][1].node, Trial({}, kinds=("tile",), rank=1)

    def picked(**costs: float) -> str:
        return trial.pick(graph, node, "tile", [Candidate(name, cost) for name, cost in costs.items()])

    assert picked(a=1.0, b=1.1) == "b" == picked(a=1.1, b=1.0)
    assert picked(a=1.0, c=1.1) == "a"
    assert [*trial.offers.values()] == [["a", "b"]]


def test_problems_are_named_by_what_is_to_be_done() -> None:
    graph = nets()["odd"]
    convolutions = [n for n in graph.nodes if n.op == "fused" and n.attrs["kind"] == "conv"]
    names = {problem_name(graph, n) for n in convolutions}
    assert len(names) == len(convolutions) > 3
    again = nets()["odd"]
    assert names == {problem_name(again, n) for n in again.nodes if n in again.nodes and n.op == "fused"} & names
    trained = graph.replace(updates=tuple((p.node.name, p) for p in graph.params))
    assert not names & {problem_name(trained, n) for n in convolutions}


def test_a_choice_of_one_is_none() -> None:
    trial = Trial({}, kinds=("rows",))
    graph = nets()["rows"]
    node = graph.outputs[0][1].node
    assert trial.pick(graph, node, "rows", [Candidate("only", 1.0)]) == "only"
    assert not trial.offers
    assert np.isfinite(random_inputs(graph, {"N": 1})["image"]).all()
