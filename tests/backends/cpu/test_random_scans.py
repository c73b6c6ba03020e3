"""Random cells, chunks of them and their gradients on the cpu backend against the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from netlang.backends.cpu import Cpu
from netlang.backends.reference import evaluate
from netlang.ir.graph import Graph
from netlang.ir.scan import Loop
from netlang.ir.types import DType, TensorType
from netlang.passes import training_pipeline
from netlang.passes.manager import PassManager
from tests.passes.test_random_scans import B, graph_of, random_scan

EXAMPLES = 6
bounded = settings(
    phases=(Phase.generate,),
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@bounded
@given(data=st.data())
def test_random_cells(data: st.DataObject) -> None:
    loop = Loop.of(random_scan(data.draw))
    node = replace(loop, checkpoint=data.draw(st.integers(0, 3))).build(B)
    check(graph_of(node.inputs, node.results))


def test_what_is_put_side_by_side_need_not_be_a_matrix() -> None:
    whole, half = TensorType(DType.F64, (2, 3, 8)), TensorType(DType.F64, (2, 3, 4))
    h, x = B.input("h", whole), B.input("x", half)
    after = B.op("tanh", B.add(h, B.op("concat", x, B.scale(x, 0.5), axis=2)))
    initial, sequence = B.input("h0", whole), B.input("xs", TensorType(DType.F64, (5, 2, 3, 4)))
    node = Loop((initial,), (sequence,), (), (h,), (x,), (), (after,), (after,), 5).build(B)
    check(graph_of(node.inputs, node.results))


def check(graph: Graph) -> None:
    rng = np.random.default_rng(1)
    feed = {v.node.name: rng.standard_normal(v.type.concrete({})) for v in graph.inputs}
    backend = Cpu()
    compiled = backend.compile(PassManager().run(graph, [*training_pipeline(), *backend.passes]), threads=2)
    found = compiled.run(feed, {})
    for name, value in evaluate(graph, feed)[0].items():
        np.testing.assert_allclose(found[name], value, rtol=1e-8, atol=1e-10, err_msg=name)
