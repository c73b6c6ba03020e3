"""Every op, and chains of ops, on random shapes: the cpu backend after all passes against the reference.

The oracle is the graph as it was before any pass, evaluated by NumPy in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

import netlang.ops  # noqa: F401
from netlang.backends.cpu import Cpu
from netlang.ir.graph import Value
from netlang.ir.opdef import registered
from netlang.ir.text import print_graph
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import Pass, PassManager
from tests.backends.cpu.checked_steps import run_checked
from tests.backends.drawn import OWN_TYPES, assert_near, bounded, named
from tests.drawing import Draw
from tests.drawn_graphs import Drawn
from tests.recipes import CHAINS, RECIPES

EXAMPLES = 3
"""Draws per op and test; turn it up to search."""
CHAINS_DRAWN = 15 * EXAMPLES
MOST = 20_000
"""Elements that a chain may grow to."""
USUAL = ("relu", "max_pool", "add", "conv", "matmul", "batchnorm_train", "avg_pool")
"""What chains are made of more often than of other ops: what fusion looks for."""

OPS = sorted(RECIPES)
DIFFERENTIABLE = [op for op in OPS if registered()[op].gradient is not None]


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
