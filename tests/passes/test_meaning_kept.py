"""Every pass keeps the meaning of a graph: evaluated before and after by the reference backend, on random graphs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.backends.reference import evaluate
from netlang.ir.graph import Graph
from netlang.ir.types import DType
from netlang.ir.verify import verify
from netlang.passes import cse, dce, fold, fold_batchnorm, simplify
from netlang.passes.autodiff import differentiate
from netlang.passes.manager import Pass, PassManager
from tests.nets import lenet5, random_inputs, random_params
from tests.random_graphs import arrays_for, random_graph

PASSES = [p.PASS for p in (fold, simplify, cse, dce, fold_batchnorm)]
bounded = settings(max_examples=60, deadline=None, derandomize=True)


def assert_same_meaning(before: Graph, after: Graph, seed: int) -> None:
    verify(after)
    inputs, params = arrays_for(before, seed)
    old, new = (evaluate(g, inputs, params, dtype=DType.F64) for g in (before, after))
    assert old[0].keys() == new[0].keys()
    # A parameter without an update keeps its value.
    for a, b in ((old[0], new[0]), ({**params, **old[1]}, {**params, **new[1]})):
        for name in a:
            np.testing.assert_allclose(b[name], a[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("step", PASSES, ids=lambda p: p.name)
@bounded
@given(seed=st.integers(0, 10**6))
def test_each_pass(step: Pass, seed: int) -> None:
    graph = random_graph(seed)
    assert_same_meaning(graph, step.run(graph), seed)


@bounded
@given(seed=st.integers(0, 10**6))
def test_all_passes_in_a_row(seed: int) -> None:
    graph = random_graph(seed, steps=20)
    after = PassManager(verifying=True).run(graph, PASSES * 2)
    assert_same_meaning(graph, after, seed)
    assert len(after.nodes) <= len(graph.nodes) + 2


@pytest.mark.parametrize("make", [lenet5, lambda: differentiate(lenet5(train=True))], ids=["forward", "gradient"])
def test_lenet5(make: Callable[[], Graph]) -> None:
    graph = make()
    after = PassManager(verifying=True).run(graph, PASSES)
    inputs, params = random_inputs(graph, {"N": 2}), random_params(graph)
    old, new = evaluate(graph, inputs, params)[0], evaluate(after, inputs, params)[0]
    for name, value in old.items():
        np.testing.assert_allclose(new[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_passes_are_idempotent_on_random_graphs() -> None:
    for seed in range(30):
        graph = PassManager(verifying=False).run(random_graph(seed), PASSES * 2)
        for step in (cse.PASS, dce.PASS):
            assert step.run(graph) is graph, (seed, step.name)
