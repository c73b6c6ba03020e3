"""Every net of the example family: published sizes, every backend, its gradient, and that it learns.

The cases come from the records `examples/*/family.toml`; what is special about one family is tested beside this file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import netlang
from benchmarks.family.records import EXAMPLES, families
from netlang.backends.reference import evaluate
from netlang.driver import backend_for
from netlang.ir import dims
from netlang.ir.graph import Graph
from netlang.ir.module import LOSS
from netlang.ir.types import DType
from netlang.passes import inference_pipeline
from netlang.passes.manager import PassManager
from tests.examples.shrunken import (
    CASES,
    Array,
    Case,
    chosen,
    data_for,
    distinct,
    exact,
    gradient_graph,
    held,
    losses,
    recipes,
    small,
    whole,
)

every_net = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_small_copy = pytest.mark.parametrize("case", distinct(), ids=lambda case: case.name)


def close(got: Array, wanted: Array, what: str, within: float = 1e-4) -> None:
    """Equal within `within` of the largest value."""
    scale = max(float(np.abs(wanted).max(initial=0.0)), 1e-6)
    np.testing.assert_allclose(got / scale, wanted / scale, rtol=0, atol=within, err_msg=what)


def loss_at(graph: Graph, inputs: dict[str, Array], params: dict[str, Array]) -> float:
    """The loss in double precision."""
    return float(evaluate(graph, inputs, params, dtype=DType.F64)[0][LOSS])


def slope(
    at: Callable[[dict[str, Array]], float], params: dict[str, Array], direction: dict[str, Array], length: float
) -> float:
    """How fast the loss grows along a direction, by a step of this length to either side."""
    step = length / np.sqrt(sum(float((d**2).sum()) for d in direction.values()))
    ends = [{**params, **{n: params[n] + s * step * d for n, d in direction.items()}} for s in (1, -1)]
    return float((at(ends[0]) - at(ends[1])) / (2 * step))


# ---- the records


def test_every_net_below_examples_belongs_to_a_record() -> None:
    recorded = {family.path(net.file) for family in families() for net in family.nets}
    imported = {p for p in EXAMPLES.glob("*/*.net") if not p.read_text().count("\nnet ")}
    assert {p.resolve() for p in EXAMPLES.glob("*/*.net")} - {p.resolve() for p in imported} <= recorded


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_every_family_has_a_page_that_names_its_source(family: object) -> None:
    page = Path(family.folder) / "README.md"  # type: ignore[attr-defined]
    assert page.is_file() and len(page.read_text().splitlines()) >= 5
    assert family.source  # type: ignore[attr-defined]


# ---- as published


@every_net
def test_published_sizes_and_no_warning(case: Case) -> None:
    module = whole(case)
    net = chosen(module, case)
    assert module.warnings == ()
    trained = [p.type.size for p in net.params if p.node.attrs["role"] == "weight"]
    assert sum(dims.evaluate(s, {}) for s in trained) == case.net.parameters
    shapes = {name: list(value.type.concrete(case.net.sizes)) for name, value in net.outputs}
    assert shapes == {name: list(shape) for name, shape in case.net.outputs.items()}


@every_net
@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_it_compiles_for(case: Case, target: str) -> None:
    backend = backend_for(target)
    prepared = PassManager().run(chosen(whole(case), case), [*inference_pipeline(), *backend.passes])
    backend.compile(prepared, threads=1)


# ---- small copies


@every_small_copy
def test_cpu_agrees_with_reference(case: Case) -> None:
    path, which = case.family.path(case.net.file), case.net.net
    models = [
        netlang.compile(path, target=t, net=which, arguments=case.shrunk).init(seed=3) for t in ("cpu", "reference")
    ]
    inputs, _ = data_for(models[0].net, case.net.small)
    given = {name: a for name, a in inputs.items() if not name.startswith("$")}
    got, wanted = (m(**given) for m in models)
    if not isinstance(got, dict):
        got, wanted = {"it": got}, {"it": wanted}
    assert list(got) == list(wanted)
    for key in got:
        close(got[key], wanted[key], key)


@every_small_copy
def test_the_gradient_is_the_slope_of_the_loss(case: Case) -> None:
    """Along random directions through all weights at once, in double precision: (L(w + hd) - L(w - hd)) / 2h."""
    for name, graph in losses(case):
        inputs, params = data_for(graph, case.net.small)
        backward, rng = gradient_graph(graph), np.random.default_rng(7)
        # Away from the initial zeros of biases: a ReLU that is fed with zeros alone has no slope there.
        moved = {n: params[n] + 0.01 * rng.normal(size=params[n].shape) for n, _ in backward.outputs}
        params = exact({**params, **moved})
        gradient = evaluate(backward, inputs, params, dtype=DType.F64)[0]
        if not gradient:
            continue
        values, fixed = held(graph)
        still = evaluate(values, inputs, params, dtype=DType.F64)[0]

        at = partial(loss_at, fixed, {**inputs, **still})
        for _ in range(3):
            direction = {n: rng.normal(size=g.shape) for n, g in gradient.items()}
            expected = sum(float((g * direction[n]).sum()) for n, g in gradient.items())
            size = np.sqrt(sum(float((g**2).sum()) for g in gradient.values()))
            # A deep net has a kink of some ReLU within the longer step: then the shorter one tells.
            slopes = [slope(at, params, direction, length) for length in (1e-5, 1e-8)]
            assert pytest.approx(expected, rel=1e-4, abs=1e-5 * size) in slopes, name


@every_small_copy
def test_the_gradient_on_cpu_is_that_of_reference(case: Case) -> None:
    for name, graph in losses(case):
        wanted_graph = gradient_graph(graph)
        if not wanted_graph.outputs:
            continue
        inputs, params = data_for(graph, case.net.small)
        wanted = evaluate(wanted_graph, inputs, params)[0]
        backend = backend_for("cpu")
        prepared = PassManager().run(wanted_graph, [*inference_pipeline(), *backend.passes])
        got = backend.compile(prepared, threads=1).run(inputs, params)
        largest = max(float(np.abs(a).max(initial=0)) for a in wanted.values())
        for key, value in wanted.items():
            np.testing.assert_allclose(got[key] / largest, value / largest, rtol=0, atol=1e-4, err_msg=f"{name} {key}")


@every_small_copy
def test_the_loss_falls_within_a_few_steps(case: Case) -> None:
    path, which = case.family.path(case.net.file), case.net.net
    module = small(case)
    for spec in recipes(module, chosen(module, case)):
        model = netlang.compile(path, net=which, arguments=case.shrunk)
        step = model.trainer(seed=0, phase=spec.name or None)
        given, _ = data_for(spec.graph, {**case.net.small, "N": 8})
        inputs = {name: a for name, a in given.items() if not name.startswith("$")}
        first = np.mean([step(**inputs) for _ in range(3)])
        for _ in range(40):
            step(**inputs)
        last = np.mean([step(**inputs) for _ in range(3)])
        assert last < first or spec.name in case.net.balanced, spec.name
