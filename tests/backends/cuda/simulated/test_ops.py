"""Every op, forward and backward, on small random shapes: the cuda backend in the simulator against the reference.

The oracle is the graph as it was before any pass, evaluated by NumPy in float64.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

import netlang.ops  # noqa: F401
from netlang import NetError
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

MISSING = frozenset({"matmul"})
"""Ops that no lowering carries out yet, on some shapes at least. Whoever writes one takes its op out of here."""

OPS = sorted(RECIPES)
DIFFERENTIABLE = [op for op in OPS if registered()[op].gradient is not None]
_CANNOT = re.compile(r"the cuda backend cannot carry out (\S+) on")


@pytest.mark.parametrize("op", OPS)
def test_forward(op: str) -> None:
    if op in MISSING:
        with pytest.raises(NetError, match=_CANNOT):
            forward(op)
    else:
        forward(op)


@pytest.mark.parametrize("op", DIFFERENTIABLE)
def test_gradient(op: str) -> None:
    try:
        gradient(op)
    except NetError as fault:
        found = _CANNOT.search(str(fault))
        if found is None or found[1] not in MISSING:
            raise
        pytest.skip(f"no lowering of {found[1]} yet")


def forward(op: str) -> None:
    @bounded(EXAMPLES)
    @given(data=st.data())
    def drawn_again(data: st.DataObject) -> None:
        drawn = Drawn(Draw(data.draw, LIMIT))
        results = drawn.node(op, RECIPES[op].case(drawn.d))
        compare(drawn, named("y", results), inference_pipeline(), exact=op in OWN_TYPES)

    drawn_again()


def gradient(op: str) -> None:
    @bounded(EXAMPLES)
    @given(data=st.data())
    def drawn_again(data: st.DataObject) -> None:
        drawn = Drawn(Draw(data.draw, LIMIT))
        results = drawn.node(op, RECIPES[op].case(drawn.d))
        slopes = drawn.slopes(results)
        assume(slopes)
        compare(drawn, slopes, training_pipeline(), exact=op in OWN_TYPES)

    drawn_again()


def compare(drawn: Drawn, outputs: Mapping[str, Value], passes: Sequence[Pass], *, exact: bool) -> None:
    """Compile and run in the simulator, with another size of the batch too where the graph has one."""
    graph = drawn.graph(outputs)
    note(print_graph(graph))
    cuda = Cuda(device=Simulator())
    program = cuda.compile(cuda.prepare(PassManager().run(graph, passes)))
    for batch in (drawn.d.batch, drawn.d.batch + 1) if graph.symbols else (drawn.d.batch,):
        inputs, params = drawn.named("input", batch), drawn.named("param", batch)
        assert_near(program.run(inputs, params), graph, inputs, params, exact)
