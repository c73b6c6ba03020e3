"""Every op, and chains of ops, on random shapes: the cpu backend after all passes against the reference.

The oracle is the graph as it was before any pass, evaluated by NumPy in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, note, settings
from hypothesis import strategies as st

import netlang.ops  # noqa: F401
from netlang.backends.cpu import Cpu
from netlang.backends.reference import evaluate
from netlang.ir.graph import Graph, Value
from netlang.ir.opdef import registered
from netlang.ir.text import print_graph
from netlang.ir.types import DType
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import Pass, PassManager
from tests.backends.cpu.checked_steps import run_checked
from tests.drawing import Array, Draw
from tests.drawn_graphs import Drawn
from tests.recipes import CHAINS, RECIPES

EXAMPLES = 3
"""Draws per op and test; turn it up to search."""
CHAINS_DRAWN = 15 * EXAMPLES
MOST = 20_000
"""Elements that a chain may grow to."""
USUAL = ("relu", "max_pool", "add", "conv", "matmul", "batchnorm_train", "avg_pool")
"""What chains are made of more often than of other ops: what fusion looks for."""
OWN_TYPES = ("cast", "uniform", "normal")
"""Ops about element types; the oracle computes them in their own."""
NARROW = {DType.F16: 4e-3, DType.BF16: 3e-2}

OPS = sorted(RECIPES)
DIFFERENTIABLE = [op for op in OPS if registered()[op].gradient is not None]


def bounded(examples: int) -> settings:
    """The same draws in every run. They are not shrunk: each attempt would compile, and they are small already."""
    return settings(
        phases=(Phase.generate,),
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def test_every_op_has_a_recipe() -> None:
    """An op without one would not be compared with the reference on random shapes."""
    assert RECIPES.keys() == {name for name, record in registered().items() if record.samples is not None}


@pytest.mark.parametrize("op", OPS)
@bounded(EXAMPLES)
@given(data=st.data())
def test_forward(op: str, data: st.DataObject) -> None:
    drawn = Drawn(Draw(data.draw))
    results = drawn.node(op, RECIPES[op].case(drawn.d))
    compare(drawn, named("y", results), inference_pipeline(), exact=op in OWN_TYPES)


@pytest.mark.parametrize("op", DIFFERENTIABLE)
@bounded(EXAMPLES)
@given(data=st.data())
def test_gradient(op: str, data: st.DataObject) -> None:
    drawn = Drawn(Draw(data.draw))
    results = drawn.node(op, RECIPES[op].case(drawn.d))
    slopes = drawn.slopes(results)
    assume(slopes)
    kept = named("y", results) if drawn.d.flag() else {}
    compare(drawn, {**slopes, **kept}, training_pipeline(), exact=op in OWN_TYPES)


@bounded(CHAINS_DRAWN)
@given(data=st.data())
def test_chains(data: st.DataObject) -> None:
    drawn = Drawn(Draw(data.draw))
    results = chain(drawn, drawn.d.whole(2, 4))
    compare(drawn, named("y", results), inference_pipeline())


@bounded(CHAINS_DRAWN)
@given(data=st.data())
def test_gradients_of_chains(data: st.DataObject) -> None:
    drawn = Drawn(Draw(data.draw))
    results = chain(drawn, drawn.d.whole(2, 4))
    kept = named("y", results) if drawn.d.flag() else {}
    compare(drawn, {**drawn.slopes(results), **kept}, training_pipeline())


def chain(drawn: Drawn, length: int) -> list[Value]:
    """The end of a chain of ops and, now and then, a value from the middle of it."""
    d = drawn.d
    op = d.pick("conv", *CHAINS)
    values = [drawn.node(op, CHAINS[op].case(d))[0]]
    for _ in range(length - 1):
        before = values[-1]
        suited = [name for name, recipe in CHAINS.items() if recipe.suits(before.shape)]
        if not suited or d.count(before.shape) > MOST:
            break
        usual = [name for name in USUAL if name in suited]
        op = d.pick(*d.pick(usual or suited, suited))
        values.append(drawn.node(op, CHAINS[op].make(d, before.shape), before)[0])
    return [values[-1], *values[:-1][: int(d.flag())]]


def named(prefix: str, values: Sequence[Value]) -> dict[str, Value]:
    return {f"{prefix}{i}": v for i, v in enumerate(values)}


def compare(drawn: Drawn, outputs: Mapping[str, Value], passes: Sequence[Pass], *, exact: bool = False) -> None:
    """Compile and run on cpu: twice with the same numbers, bit for bit, then with another size of the batch."""
    graph = drawn.graph(outputs)
    note(print_graph(graph))
    cpu = Cpu()
    program = cpu.compile(cpu.prepare(PassManager().run(graph, passes)), threads=drawn.d.pick(1, 2))
    batches = (drawn.d.batch, drawn.d.batch + 3) if graph.symbols else (drawn.d.batch,)
    for batch in batches:
        inputs, params = drawn.named("input", batch), drawn.named("param", batch)
        found = program.run(inputs, params)
        again = run_checked(program, inputs, params)
        assert_near(found, graph, inputs, params, exact)
        for name, array in found.items():
            assert array.tobytes() == again[name].tobytes(), f"{name} differs from call to call"


def assert_near(
    found: Mapping[str, Array], graph: Graph, inputs: Mapping[str, Array], params: Mapping[str, Array], exact: bool
) -> None:
    """Within 1e-4 of the largest value, and of what rounding alone does to the plain evaluation in float32."""
    rounded, _ = evaluate(graph, inputs, params)
    want = rounded if exact else evaluate(graph, inputs, params, dtype=DType.F64)[0]
    assert found.keys() == want.keys()
    for name, value in graph.outputs:
        got, plain = found[name], rounded[name]
        assert (got.dtype, got.shape) == (plain.dtype, plain.shape), name
        expected = np.asarray(want[name], np.float64)
        numbers = expected[np.isfinite(expected)]
        largest = float(np.abs(numbers).max(initial=0))
        with np.errstate(invalid="ignore"):
            rounding = np.abs(np.asarray(plain, np.float64) - expected)
        slack = NARROW.get(value.dtype, 1e-4) * largest + 4 * float(rounding[np.isfinite(rounding)].max(initial=0))
        np.testing.assert_allclose(np.asarray(got, np.float64), expected, rtol=0, atol=slack, err_msg=name)
