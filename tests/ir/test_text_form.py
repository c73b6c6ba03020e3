"""The text form: whatever is printed is read back as the same graph."""

from __future__ import annotations

from zlib import crc32

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import netlang.ops  # noqa: F401
from netlang.diagnostics import Source, Span
from netlang.ir.build import Builder, make_node
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import registered
from netlang.ir.parse import parse_graph
from netlang.ir.text import print_graph, same_attr
from netlang.ir.types import DType, TensorType
from netlang.ir.verify import verify
from tests.random_graphs import random_graph

bounded = settings(max_examples=60, deadline=None, derandomize=True)


def assert_same_nodes(a: Graph, b: Graph) -> None:
    """Everything but the identity of the nodes is equal."""
    assert (a.name, a.ensures) == (b.name, b.ensures)
    assert [n for n, _ in a.outputs] == [n for n, _ in b.outputs]
    assert [n for n, _ in a.updates] == [n for n, _ in b.updates]
    assert len(a.nodes) == len(b.nodes)
    number = {n: i for i, n in enumerate(a.nodes)}
    other = {n: i for i, n in enumerate(b.nodes)}
    for x, y in zip(a.nodes, b.nodes, strict=True):
        assert (x.op, x.types, x.name, x.device) == (y.op, y.types, y.name, y.device)
        assert [(number[v.node], v.index) for v in x.inputs] == [(other[v.node], v.index) for v in y.inputs]
        assert list(x.attrs) == list(y.attrs)
        assert all(same_attr(x.attrs[k], y.attrs[k]) for k in x.attrs)
        if x.body is not None and y.body is not None:
            assert_same_nodes(x.body, y.body)


def round_trip(graph: Graph, **options: bool) -> Graph:
    text = print_graph(graph, **options)
    again = parse_graph(text)
    assert print_graph(again, **options) == text
    return again


def of_node(node: Node) -> Graph:
    """A graph of the inputs and results of one node."""
    inputs = tuple(dict.fromkeys(v for v in node.inputs))
    return Graph("g", inputs, (), tuple((f"y{i}", v) for i, v in enumerate(node.results)))


@bounded
@given(st.integers(0, 10**6))
def test_random_graphs(seed: int) -> None:
    graph = random_graph(seed)
    assert_same_nodes(graph, round_trip(graph))
    again = round_trip(graph, spans=True, origins=True)
    assert [[str(s) for s in n.spans] for n in graph.nodes] == [[str(s) for s in n.spans] for n in again.nodes]
    round_trip(graph, names=False)


@pytest.mark.parametrize("op", [name for name, record in registered().items() if record.samples])
def test_every_sample_of_every_op(op: str) -> None:
    samples = registered()[op].samples
    assert samples is not None
    for sample in samples(np.random.default_rng(crc32(op.encode()))):
        types = [TensorType(DType.of(a.dtype), a.shape) for a in sample.inputs]
        inputs = [Builder().input(f"x{i}", t) for i, t in enumerate(types)]
        graph = of_node(make_node(op, inputs, dict(sample.attrs)))
        again = round_trip(graph)
        assert_same_nodes(graph, again)
        verify(again)


def const_graph(array: np.ndarray) -> Graph:
    return of_node(Builder().const(array, DType.of(array.dtype)).node)


def bits_after(array: np.ndarray) -> bool:
    found = round_trip(const_graph(array)).nodes[0].attrs["value"]
    return found.dtype == array.dtype and found.shape == array.shape and found.tobytes() == array.tobytes()


_DTYPES = st.sampled_from([np.bool_, np.int8, np.int32, np.int64, np.float16, np.float32, np.float64])
_SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)


@bounded
@given(st.data())
def test_constants_keep_their_bits(data: st.DataObject) -> None:
    array = data.draw(hnp.arrays(data.draw(_DTYPES), data.draw(_SHAPES)))
    assert bits_after(array)


@pytest.mark.parametrize("count", [64, 65])
def test_bfloat16_keeps_its_bits(count: int) -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 16, count).astype(np.uint16)
    bits[np.isnan(bits.view(ml_dtypes.bfloat16))] = 0x8000
    assert bits_after(bits.view(ml_dtypes.bfloat16))


@pytest.mark.parametrize("bits", [0x7FC00000, 0xFFC00000, 0x7FC00001, 0x80000000, 0xFF800000, 0x00000001])
def test_odd_floats_keep_their_bits(bits: int) -> None:
    assert bits_after(np.array([bits, 0], np.uint32).view(np.float32))


def test_small_arrays_are_readable_and_large_ones_are_not_lists() -> None:
    assert "value = f32 [[0.1, -0.0], [1e-05, nan]]" in print_graph(
        const_graph(np.array([[0.1, -0.0], [1e-5, np.nan]], np.float32))
    )
    assert 'value = f32[100] base64 "' in print_graph(const_graph(np.zeros(100, np.float32)))


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (sym("N"), "N"),
        (3 * ((sym("N") + 1) // 2) * sym("T") - 4, "dim = 3*((N+1)//2)*T-4"),
        (-((sym("N") + 1) // 2), "dim = -((N+1)//2)"),
        (sym("inf") + 1, "dim = dim(inf+1)"),
        (sym("f32") * sym("true"), "dim = dim(f32*true)"),
        (sym("dim"), "dim = dim}"),
        (7, "dim = 7}"),
    ],
)
def test_symbolic_attributes(dim: object, text: str) -> None:
    graph = of_node(Builder().op("extent", dim=dim).node)
    assert text in print_graph(graph)
    assert round_trip(graph).nodes[0].attrs["dim"] == dim


def test_unusual_dimension_names_in_types() -> None:
    x = Builder().input("x", TensorType(DType.F32, (sym("inf"), sym("f32") // 2)))
    assert round_trip(of_node(x.node).replace(inputs=(x,))).inputs[0].shape == x.shape


@pytest.mark.parametrize("name", ["image", "$rng", "a.b.c", "0", "a b", 'quo"te', "ü", "a..b", "line\nbreak", "%"])
def test_names_of_inputs(name: str) -> None:
    x = Builder().input(name, TensorType(DType.F32, (2,)))
    graph = Graph(name, (x,), (), ((name, Builder(name=name).op("exp", x)),), ())
    again = round_trip(graph)
    assert (again.name, again.inputs[0].node.name, again.outputs[0][0]) == (name, name, name)
    assert again.nodes[1].name == name


def test_attributes_of_every_kind() -> None:
    init = ("value", np.eye(2, dtype=np.float32))
    b = Builder()
    params = [
        b.param("a", TensorType(DType.F32, (2, 2)), "weight", init),
        b.param("b", TensorType(DType.F32, ()), "frozen", ("uniform", -float("inf"), float("nan"))),
        b.param("c", TensorType(DType.F32, ()), "state", ("constant", -1)),
        b.param("d", TensorType(DType.F32, ()), "state", (None, True, (), (1,), ((1, 2), DType.BF16), "x\n", -0.0)),
    ]
    graph = Graph("g", (), tuple(params))
    again = round_trip(graph)
    for old, new in zip(graph.params, again.params, strict=True):
        assert same_attr(old.node.attrs["init"], new.node.attrs["init"])


def test_default_attributes_are_left_out() -> None:
    x = Builder().input("x", TensorType(DType.F32, (2,)))
    graph = of_node(Builder().op("leaky_relu", x, slope=0.01).node)
    assert "leaky_relu(%x)\n" in print_graph(graph)
    assert parse_graph(print_graph(graph)).nodes[1].attrs["slope"] == 0.01


def test_spans_and_origins() -> None:
    one, two = Source("a.net", "text"), Source("b.net")
    spans = (Span(one, 1, 2, 3, 4), Span(two, 5, 6, 7, 8), Span(one, 9, 1, 9, 2))
    x = Builder(spans[:1]).input("x", TensorType(DType.F32, (2,)))
    graph = Graph("g", (x,), (), (("y", Builder(spans, "l", "fuse").op("exp", x)),))
    text = print_graph(graph, spans=True, origins=True)
    assert text.startswith('source 0 "a.net"\nsource 1 "b.net"\ngraph g {\n  input %x: f32[2] @0:1:2-3:4\n')
    assert '"l" @0:1:2-3:4, 1:5:6-7:8, 0:9:1-9:2 from fuse\n' in text
    again = round_trip(graph, spans=True, origins=True)
    assert again.nodes[1].spans[1] == Span(Source("b.net"), 5, 6, 7, 8)
    assert again.nodes[1].origin == "fuse"


def test_layouts_and_bodies() -> None:
    x = Builder().input("x", TensorType(DType.F32, (sym("N"), 3)))
    inner = Builder().input("a", x.type)
    body = Graph("body", (inner,), (), (("y", Builder().op("layout", inner, to="c16")),))
    node = make_node("fused", [x], {"kind": "loop"}, body=body, name="stage")
    graph = Graph("g", (x,), (), (("y", node.out),), ensures=frozenset({"fused", "b"}))
    text = print_graph(graph)
    assert '%0: f32[N, 3]:c16 = fused(%x) {kind = "loop"} body {\n    input %a: f32[N, 3]\n' in text
    assert '\n  } "stage"\n' in text
    assert_same_nodes(graph, round_trip(graph))


def test_a_broken_graph_can_be_printed() -> None:
    x = Builder().input("x", TensorType(DType.F32, (2,)))
    stray = Builder().input("stray", TensorType(DType.F32, (2,)))
    bad = Node("sideways", (x, stray, Builder().op("exp", x).node.results[0]), {}, ())
    text = print_graph(Graph("g", (x,), (), (("y", Value(bad, 0)),)))
    assert "sideways(%x" in text


def test_deep_graphs() -> None:
    x = v = Builder().input("x", TensorType(DType.F32, (2,)))
    for _ in range(3000):
        v = Builder().op("exp", v)
    assert len(round_trip(Graph("g", (x,), (), (("y", v),))).nodes) == 3001
