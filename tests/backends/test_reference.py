"""The reference backend: sizes, updates, ownership of arrays, dead values, fused bodies, faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netlang.backends.reference import Reference, evaluate
from netlang.backends.reference.concrete import bind_sizes
from netlang.diagnostics import NetError, Source, Span
from netlang.ir.build import Builder, make_node
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Node
from netlang.ir.types import DType, TensorType

B = Builder()
N = sym("N")
F32 = DType.F32
X = B.input("x", TensorType(F32, (N, 3)))
W = B.param("w", TensorType(F32, (3,)), "weight", ("constant", 1.0))


def _graph(**outputs: Any) -> Graph:
    return Graph("net", (X,), (W,), tuple(outputs.items()))


def _ones(n: int) -> np.ndarray[Any, Any]:
    return np.ones((n, 3), np.float32)


def test_any_batch_size_through_one_executable() -> None:
    net = Reference().compile(_graph(y=B.op("reduce_mean", B.mul(X, W), axes=(0,))))
    w = np.array([1, 2, 3], np.float32)
    for n in (1, 7, 2):
        assert net.run({"x": _ones(n)}, {"w": w})["y"].tolist() == [1, 2, 3]


def test_prepare_changes_nothing() -> None:
    graph = _graph(y=X)
    assert Reference().prepare(graph) is graph
    assert Reference().compile(graph, threads=3).graph is graph


def test_updates_are_written_after_every_read() -> None:
    total = B.sum(X, (0,))
    v = B.param("v", TensorType(F32, (3,)), "state", ("constant", 0.0))
    # The two exchange their values: wrong if one were written before the other is read.
    graph = Graph("swap", (X,), (W, v), (("y", B.add(W, total)),), (("w", v), ("v", W)))
    params = {"w": np.full(3, 1, np.float32), "v": np.full(3, 2, np.float32)}
    held = dict(params)
    out = Reference().compile(graph).run({"x": _ones(2)}, params)
    assert out["y"].tolist() == [3, 3, 3]
    assert params["w"].tolist() == [2, 2, 2]
    assert params["v"].tolist() == [1, 1, 1]
    assert all(params[k] is held[k] for k in params)


def test_evaluate_leaves_params_alone() -> None:
    w = np.ones(3, np.float32)
    graph = Graph("g", (X,), (W,), (), (("w", B.scale(W, 2.0)),))
    _, updates = evaluate(graph, {"x": _ones(1)}, {"w": w})
    assert updates["w"].tolist() == [2, 2, 2]
    assert w.tolist() == [1, 1, 1]


def test_outputs_belong_to_the_caller() -> None:
    turned = B.op("transpose", X, perm=(1, 0))
    constant = B.const([5.0], F32)
    graph = _graph(same=X, again=X, turned=turned, w=W, wide=B.broadcast(W, (2, 3)), constant=constant)
    x, w = _ones(4), np.ones(3, np.float32)
    out = Reference().compile(graph).run({"x": x}, {"w": w})
    arrays = [x, w, *out.values()]
    for i, a in enumerate(arrays):
        assert a.flags.c_contiguous and a.flags.writeable
        assert not any(np.shares_memory(a, b) for b in arrays[:i])
    assert out["turned"].shape == (3, 4)


def test_scalars_stay_arrays() -> None:
    out, _ = evaluate(_graph(y=B.sum(X, (0, 1))), {"x": _ones(2)}, {"w": np.ones(3, np.float32)})
    assert isinstance(out["y"], np.ndarray)
    assert out["y"].shape == ()


def test_fused_body() -> None:
    a, b = B.input("a", X.type), B.input("b", W.type)
    count = B.op("extent", dim=N, dtype=F32)
    product = B.mul(a, b)
    body = Graph("body", (a, b), (), (("0", B.div(product, count)), ("1", B.op("relu", product))))
    node = make_node("fused", [X, W], {"kind": "loop"}, body=body)
    graph = _graph(y=node.results[0], z=B.add(node.results[1], X))
    out, _ = evaluate(graph, {"x": -_ones(4)}, {"w": np.array([1, 2, -4], np.float32)})
    assert out["y"][0].tolist() == [-0.25, -0.5, 1]
    assert out["z"][0].tolist() == [-1, -1, 3]


def test_layout_is_identity() -> None:
    blocked = B.op("layout", X, to="c16")
    out, _ = evaluate(_graph(y=B.op("layout", B.op("relu", blocked), to="")), {"x": _ones(2)}, {"w": _ones(1)[0]})
    assert out["y"].tolist() == _ones(2).tolist()


def test_observer_sees_every_node_in_order() -> None:
    seen: list[tuple[str, float]] = []

    def observe(node: Node, results: tuple[np.ndarray[Any, Any], ...]) -> None:
        seen.append((node.op, float(results[0].sum())))

    net = Reference().compile(_graph(y=B.op("log", B.mul(X, W))))
    net.run({"x": _ones(2)}, {"w": np.ones(3, np.float32)}, observe=observe)
    assert seen == [("mul", 6.0), ("log", 0.0)]


def test_dead_values_are_freed() -> None:
    y = X
    for _ in range(50):
        y = B.op("tanh", y)
    net = Reference().compile(_graph(y=y))
    assert net.planned_bytes({"N": 1000}) == 2 * 1000 * 3 * 4


def test_another_float_type() -> None:
    third = B.div(X, B.const(3.0, F32))
    hot = B.op("one_hot", B.op("argmax", third, axis=1), classes=3)
    graph = _graph(y=B.add(third, hot), n=B.op("extent", dim=N, dtype=F32), c=B.op("cast", hot, dtype=DType.F16))
    out, _ = evaluate(graph, {"x": _ones(2)}, {"w": np.ones(3, np.float32)}, dtype=DType.F64)
    assert {a.dtype for a in out.values()} == {np.dtype(np.float64)}
    assert out["y"][0, 1] == 1 / 3


def test_index_fault_has_a_place() -> None:
    span = Span(Source("net.net", "a\nb = table -> gather(i)\n"), 2, 5, 2, 20)
    table = B.const(np.zeros((4, 2)), F32)
    index = B.input("i", TensorType(DType.I64, (N,)))
    graph = Graph("g", (index,), (), (("y", Builder((span,)).op("gather", table, index)),))
    with pytest.raises(NetError) as caught:
        Reference().compile(graph).run({"i": np.array([1, 9])}, {})
    assert caught.value.spans == (span,)
    assert "net.net:2:5: error: gather: index 9 is out of range" in str(caught.value)


def test_a_tensor_that_does_not_fit_has_a_place() -> None:
    huge = Builder((Span(Source("n.net", "x"), 1, 1, 1, 2),)).op("pad", X, low=(0, 0), high=(10**15, 0))
    with pytest.raises(NetError, match=r"n\.net:1:1: error: pad: not enough memory for f32\[1000000000000002, 3\]"):
        evaluate(_graph(y=huge), {"x": _ones(2)}, {"w": np.ones(3, np.float32)})


def test_sizes_from_shapes() -> None:
    t = sym("T")
    given = [(TensorType(F32, (2 * N + 1, t)), (9, 5)), (TensorType(F32, (N * t,)), (20,))]
    assert bind_sizes(given) == {"N": 4, "T": 5}


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([((N, 3), (2, 4))], r"size 4 where 3 was expected \(N = 2\)"),
        ([((N,), (2,)), ((N,), (3,))], r"size 3 where N was expected \(N = 2\)"),
        ([((2 * N,), (5,))], "size 5 where 2\\*N was expected"),
        ([((N, 3), (2,))], r"shape \[2\] where f32\[N, 3\] was expected"),
        ([((N * sym("T"),), (6,))], "the size of N, T does not follow from the inputs"),
    ],
)
def test_shapes_that_do_not_fit(shapes: Any, message: str) -> None:
    with pytest.raises(NetError, match=message):
        bind_sizes((TensorType(F32, type), actual) for type, actual in shapes)
