"""Every op, forward and backward, on small random shapes: the cuda backend in the simulator against the reference.

The oracle is the graph as it was before any pass, evaluated by NumPy in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

import netlang.ops  # noqa: F401
from netlang.backends.cuda import Cuda
from netlang.backends.cuda.simulator.device import Simulator
from netlang.ir.graph import Value
from netlang.ir.opdef import registered
from netlang.ir.text import print_graph
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import Pass, PassManager
from tests.backends.drawn import OWN_TYPES, assert_near, bounded, named
from tests.drawing import Draw
from tests.drawn_graphs import Drawn
from tests.recipes import RECIPES

EXAMPLES = 4
"""Draws per op and test; turn it up to search."""
LIMIT = 300
"""Elements of a main input at most: each thread of the GPU is carried out one after the other."""

OPS = sorted(RECIPES)
DIFFERENTIABLE = [op for op in OPS if registered()[op].gradient is not None]


@pytest.mark.parametrize("op", OPS)
@bounded(EXAMPLES)
@given(data=st.data())
def test_forward(op: str, data: st.DataObject) -> None:
    drawn = Drawn(Draw(data.draw, LIMIT))
    results = drawn.node(op, RECIPES[op].case(drawn.d))
    compare(drawn, named("y", results), inference_pipeline(), exact=op in OWN_TYPES)


@pytest.mark.parametrize("op", DIFFERENTIABLE)
@bounded(EXAMPLES)
@given(data=st.data())
def test_gradient(op: str, data: st.DataObject) -> None:
    drawn = Drawn(Draw(data.draw, LIMIT))
    results = drawn.node(op, RECIPES[op].case(drawn.d))
    slopes = drawn.slopes(results)
    assume(slopes)
    compare(drawn, slopes, training_pipeline(), exact=op in OWN_TYPES)


def compare(drawn: Drawn, outputs: Mapping[str, Value], passes: Sequence[Pass], *, exact: bool) -> None:
    """Compile and run in the simulator, with another size of the batch too where the graph has one."""
    graph = drawn.graph(outputs)
    note(print_graph(graph))
    cuda = Cuda(device=Simulator())
    program = cuda.compile(cuda.prepare(PassManager().run(graph, passes)))
    for batch in (drawn.d.batch, drawn.d.batch + 1) if graph.symbols else (drawn.d.batch,):
        inputs, params = drawn.named("input", batch), drawn.named("param", batch)
        assert_near(program.run(inputs, params), graph, inputs, params, exact)
