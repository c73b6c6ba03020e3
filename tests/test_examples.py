"""Every example: checked, run and trained a few steps on each backend, which must agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import netlang
from netlang import driver
from netlang.backends.reference import evaluate
from netlang.frontend import load
from netlang.ir.dims import Sym
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import PassManager
from netlang.passes.memory import plan
from netlang.passes.optimizer import training_step
from netlang.runtime.model import user_inputs
from netlang.runtime.parameters import allocate, initialise

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.net"))
LENET = next(p for p in EXAMPLES if p.stem == "lenet5")
TRAINED = [p for p in EXAMPLES if load(p).train is not None]

Array = NDArray[Any]


def name(path: Path) -> str:
    return path.stem


def drawn(values: tuple[Value, ...], sizes: dict[str, int], seed: int = 0) -> dict[str, Array]:
    """Inputs that suit a net: numbers in 0..1, labels in 0..3."""
    rng = np.random.default_rng(seed)
    out: dict[str, Array] = {}
    for value in values:
        shape = value.type.concrete(sizes)
        labels = rng.integers(0, 4, shape)
        out[value.node.name] = (labels if value.dtype.is_int else rng.random(shape)).astype(value.dtype.numpy)
    return out


def sizes_of(graph: Graph, batch: int) -> dict[str, int]:
    return {s: batch if s == "N" else 11 + i for i, s in enumerate(graph.symbols)}


def close(got: Array, wanted: Array, what: str) -> None:
    """Equal within 1e-4 of the largest value."""
    scale = max(float(np.abs(wanted).max(initial=0.0)), 1e-6)
    np.testing.assert_allclose(got / scale, wanted / scale, rtol=0, atol=1e-4, err_msg=what)


def test_the_examples_of_the_readme_are_there() -> None:
    assert {"mlp", "convnet4", "lenet5"} <= {p.stem for p in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_no_example_has_a_warning(path: Path) -> None:
    assert load(path).warnings == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
@pytest.mark.parametrize("batch", [1, 5])
def test_cpu_agrees_with_reference(path: Path, batch: int) -> None:
    models = [netlang.compile(path, target=t).init(seed=3) for t in ("cpu", "reference")]
    inputs = drawn(user_inputs(models[0].net), sizes_of(models[0].net, batch))
    got, wanted = (m(**inputs) for m in models)
    if not isinstance(got, dict):
        got, wanted = {"it": got}, {"it": wanted}
    assert list(got) == list(wanted)
    for key in got:
        close(got[key], wanted[key], key)


@pytest.mark.parametrize("path", TRAINED, ids=name)
def test_a_training_step_on_cpu_agrees_with_reference(path: Path) -> None:
    trainers = [netlang.compile(path, target=t).init(seed=3).trainer(seed=3) for t in ("cpu", "reference")]
    for number in range(2):
        inputs = drawn(trainers[0].inputs, {"N": 7}, seed=number)
        got, wanted = (t(**inputs) for t in trainers)
        assert got == pytest.approx(wanted, rel=1e-4)
    for key, value in trainers[1].store.items():
        close(trainers[0].store[key], value, key)


@pytest.mark.parametrize("path", TRAINED, ids=name)
def test_the_loss_falls_within_a_few_steps(path: Path) -> None:
    step = netlang.compile(path, target="cpu").trainer(seed=0)
    inputs = drawn(step.inputs, {"N": 32})
    first = np.mean([step(**inputs) for _ in range(3)])
    for _ in range(60):
        step(**inputs)
    assert np.mean([step(**inputs) for _ in range(3)]) < 0.9 * first


def test_the_whole_gradient_of_lenet5_against_finite_differences() -> None:
    spec = load(LENET).train
    assert spec is not None
    graph = spec.graph
    weights = [p for p in graph.params if p.node.attrs["role"] == "weight"]
    loss = graph.output("loss")
    backward = Graph("gradient", graph.inputs, graph.params, tuple(
        (p.node.name, g) for p, g in zip(weights, gradients(loss, weights), strict=True)
    ))  # fmt: skip
    store = {p.node.name: allocate(p) for p in graph.params}
    initialise(graph.params, 0, store)
    exact = {k: v.astype(np.float64) for k, v in store.items()}
    inputs = drawn(graph.inputs, {"N": 2})

    def at(params: dict[str, Array]) -> float:
        return float(evaluate(graph, inputs, params, dtype=DType.F64)[0]["loss"])

    found = evaluate(backward, inputs, exact, dtype=DType.F64)[0]
    rng = np.random.default_rng(1)
    for key, gradient in found.items():
        for flat in rng.choice(gradient.size, size=min(6, gradient.size), replace=False):
            place = np.unravel_index(flat, gradient.shape)
            step = 1e-6
            moved = [{**exact, key: exact[key].copy()} for _ in range(2)]
            moved[0][key][place] += step
            moved[1][key][place] -= step
            numeric = (at(moved[0]) - at(moved[1])) / (2 * step)
            assert gradient[place] == pytest.approx(numeric, rel=1e-5, abs=1e-8), (key, place)


@pytest.mark.parametrize("train", [False, True], ids=["inference", "training"])
def test_lenet5_is_one_kernel_per_stage_and_the_map_before_a_pool_has_no_buffer(train: bool) -> None:
    module = load(LENET)
    assert module.train is not None
    graph = training_step(module.train) if train else module.net
    fused = PassManager().run(graph, training_pipeline() if train else inference_pipeline())
    stages = [n for n in fused.nodes if n.op == "fused" and n.attrs["kind"] == "conv" and "conv" in body_ops(n.body)]
    assert len(stages) == 2
    assert all({"max_pool", "max_pool_switch"} & set(body_ops(n.body)) for n in stages)
    prepared = driver.backend_for("cpu").prepare(fused)
    buffers = plan(prepared, {"N": 4}).offsets
    before_pools = {("6", "28", "28"), ("16", "10", "10")}
    forward = [v for v in buffers if v.node.origin != "autodiff" and v.dtype is DType.F32]
    assert not [v for v in forward if tuple(map(str, v.shape[1:])) in before_pools and not is_gradient(v)]


def body_ops(body: Graph | None) -> list[str]:
    return [n.op for n in body.nodes] if body is not None else []


def is_gradient(value: Value) -> bool:
    """Made by the chain rule, alone or fused: the gradient by a map has the map's shape and does need a buffer."""
    inner = value.node.body.nodes if value.node.body is not None else (value.node,)
    return any(n.op in ("max_unpool", "conv_data_grad", "max_pool_grad") for n in inner)


def test_the_batch_is_symbolic_in_every_example() -> None:
    for path in EXAMPLES:
        assert all(isinstance(v.shape[0], Sym) for v in user_inputs(load(path).net))
