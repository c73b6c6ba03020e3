"""The rewrite driver: rules bottom-up, values swapped all at once, spans and origins kept."""

from __future__ import annotations

import pytest

import netlang.ops  # noqa: F401
from netlang.diagnostics import Source, Span
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.rewrite import (
    Replacement,
    Row,
    replace_values,
    rows,
    single_use,
    sole_reader,
    stamp,
    transform,
)
from netlang.ir.types import DType, TensorType
from netlang.ir.verify import verify

SOURCE = Source("a.net", "\n" * 9)
F32 = TensorType(DType.F32, (sym("N"), 3))


def at(line: int, name: str = "") -> Builder:
    return Builder((Span(SOURCE, line, 1, line, 5),), name)


def chain(*ops: str) -> Graph:
    """ops[0] reads the input, every other op the one before; line i + 1 of the source is ops[i]."""
    x = value = Builder().input("x", F32)
    for i, op in enumerate(ops):
        value = at(i + 1, f"layer{i}").op(op, value)
    return Graph("g", (x,), (), (("y", value),))


def lines(node: Node) -> list[int]:
    return [s.line for s in node.spans]


DOUBLE_NEG = Row("neg", lambda n: n.inputs[0].node.op == "neg", lambda b, n: n.inputs[0].node.inputs[0], absorbs=(0,))
EXP_TO_TANH = Row("exp", lambda n: True, lambda b, n: b.op("tanh", n.inputs[0]))


def test_a_graph_without_matches_is_the_same_object() -> None:
    graph = chain("exp", "neg")
    assert transform(graph, rows([DOUBLE_NEG]), "test") is graph
    assert transform(graph, lambda b, n: None, "test", limit=5) is graph
    assert replace_values(graph, {}) is graph


def test_unchanged_nodes_keep_their_identity() -> None:
    graph = chain("abs", "exp", "neg")
    after = transform(graph, rows([EXP_TO_TANH]), "test")
    assert [n.op for n in after.nodes] == ["input", "abs", "tanh", "neg"]
    assert after.nodes[1] is graph.nodes[1]
    assert after.nodes[3] is not graph.nodes[3]
    verify(after)


def test_rules_see_rewritten_inputs() -> None:
    after = transform(chain(*["neg"] * 7), rows([DOUBLE_NEG]), "test")
    assert [n.op for n in after.nodes] == ["input", "neg"]


def test_new_nodes_are_stamped() -> None:
    after = transform(chain("abs", "exp"), rows([EXP_TO_TANH]), "test")
    new = after.nodes[-1]
    assert (new.origin, new.name, lines(new)) == ("test", "layer1", [2])


def test_absorbed_nodes_leave_their_spans() -> None:
    merge = Row(
        "abs", lambda n: n.inputs[0].node.op == "neg", lambda b, n: b.op("abs", n.inputs[0].node.inputs[0]), (0,)
    )
    after = transform(chain("neg", "abs"), rows([merge]), "test")
    assert lines(after.nodes[-1]) == [2, 1]
    assert lines(stamp([after.nodes[-1], after.nodes[-1]], "x").op("exp", after.inputs[0]).node) == [2, 1]


def test_of_the_rows_for_an_op_the_first_that_gives_something_is_taken() -> None:
    table = [
        Row("exp", lambda n: False, lambda b, n: b.op("abs", n.inputs[0])),
        Row("exp", lambda n: True, lambda b, n: None),
        EXP_TO_TANH,
        Row("exp", lambda n: True, lambda b, n: b.op("relu", n.inputs[0])),
    ]
    assert transform(chain("exp"), rows(table), "test").nodes[-1].op == "tanh"


def test_the_fixed_point_is_bounded() -> None:
    def grow(build: Builder, node: Node) -> Replacement:
        return build.op("exp", build.op("exp", node.inputs[0]))

    after = transform(chain("exp"), grow, "test", limit=4)
    assert len(after.nodes) == 1 + 2**4


def test_a_replacement_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="test replaces"):
        transform(chain("exp"), lambda b, n: b.sum(n.inputs[0], (0,)), "test")
    with pytest.raises(ValueError, match="cannot be replaced"):
        graph = chain("exp")
        replace_values(graph, {graph.nodes[1].out: at(1).sum(graph.inputs[0], (0,))})


def test_several_results() -> None:
    c = Builder().input("c", TensorType(DType.F32, (3,)))
    x = Builder().input("x", F32)
    node = at(1).node("batchnorm_train", x, c, c)
    graph = Graph("g", (x, c), (), (("y", node.results[0]), ("m", node.results[1])))

    def swap(build: Builder, node: Node) -> Replacement:
        return (node.inputs[0], node.inputs[1], node.inputs[2]) if node.op == "batchnorm_train" else None

    after = transform(graph, swap, "test")
    assert after.outputs == (("y", x), ("m", c))


def test_updates_are_rewritten() -> None:
    w = Builder().param("w", F32, "weight", ("constant", 0.0))
    graph = Graph("g", (), (w,), (), (("w", at(1).op("exp", w)),))
    assert transform(graph, rows([EXP_TO_TANH]), "test").updates[0][1].node.op == "tanh"


def test_values_are_replaced_everywhere_at_once() -> None:
    graph = chain("exp", "abs", "exp", "neg")
    exps = [n for n in graph.nodes if n.op == "exp"]
    after = replace_values(graph, {n.out: at(9).op("tanh", n.inputs[0]) for n in exps})
    assert [n.op for n in after.nodes] == ["input", "tanh", "abs", "tanh", "neg"]
    verify(after)


def test_replacements_may_replace_each_other() -> None:
    graph = chain("exp", "abs", "neg")
    x, first, second, last = (n.out for n in graph.nodes)
    after = replace_values(graph, {first: x, second: first, last: second})
    assert after.outputs == (("y", x),)


def test_a_replacement_that_reads_what_it_replaces_is_refused() -> None:
    graph = chain("exp", "abs")
    value = graph.nodes[1].out
    with pytest.raises(ValueError, match="depends on itself"):
        replace_values(graph, {value: at(1).op("neg", value)})
    with pytest.raises(ValueError, match="depends on itself"):
        replace_values(graph, {value: graph.nodes[2].out})
    assert replace_values(graph, {value: value}) is graph


def test_deep_graphs() -> None:
    graph = chain(*["abs", "exp"] * 1500)
    assert sum(n.op == "tanh" for n in transform(graph, rows([EXP_TO_TANH]), "test").nodes) == 1500
    mapping: dict[Value, Value] = {n.out: at(1).op("tanh", n.inputs[0]) for n in graph.nodes if n.op == "exp"}
    assert sum(n.op == "tanh" for n in replace_values(graph, mapping).nodes) == 1500


def test_single_use() -> None:
    x = Builder().input("x", F32)
    once, twice, out = at(1).op("exp", x), at(2).op("abs", x), at(3).op("neg", x)
    square = at(4).mul(twice, twice)
    graph = Graph("g", (x,), (), (("y", at(5).add(at(6).add(once, square), out)), ("z", out)))
    assert single_use(graph, once)
    assert sole_reader(graph, once) is not None
    assert not single_use(graph, twice)
    assert not single_use(graph, out)
    assert sole_reader(graph, out) is None
    assert not single_use(graph, at(7).op("exp", x))
