"""Fusion of random graphs: the results stay the same bit for bit, and every loop keeps to its documented structure."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.backends.reference import evaluate
from netlang.ir.graph import Graph
from netlang.ir.text import print_graph
from netlang.ir.types import DType
from netlang.ir.verify import verify
from netlang.passes import fuse
from netlang.passes.fuse_loops import can_loop, space_of
from netlang.passes.partition import is_free
from tests.nets import nodes_of, same_bits
from tests.random_graphs import arrays_for, random_graph

bounded = settings(max_examples=200, deadline=None, derandomize=True)


def check_loops(before: Graph, after: Graph) -> None:
    """New bodies of kind "loop" hold members that make a loop, free nodes and inputs, and no more."""
    kept = {node.body for node in nodes_of(before, "fused")}
    for node in nodes_of(after, "fused"):
        if node.body is None or node.body in kept or node.attrs["kind"] != "loop":
            continue
        members = [n for n in node.body.nodes if n.op != "input" and not is_free(n)]
        assert members and all(map(can_loop, members)) and space_of(members) is not None, print_graph(node.body)
        assert [v.node.name for v in node.body.inputs] == [f"a{i}" for i in range(len(node.inputs))]
        assert all(v in after.uses or v in after.escaping for v in node.results)


@bounded
@given(seed=st.integers(0, 10**6), steps=st.sampled_from([6, 15, 30]))
def test_results_stay_the_same(seed: int, steps: int) -> None:
    before = random_graph(seed, steps)
    after = fuse.run(before)
    verify(after)
    inputs, params = arrays_for(before, seed)
    old, new = (evaluate(g, inputs, params, dtype=DType.F64) for g in (before, after))
    assert same_bits(old[0], new[0]) and same_bits(old[1], new[1])
    check_loops(before, after)
    assert print_graph(fuse.run(random_graph(seed, steps))) == print_graph(after)
