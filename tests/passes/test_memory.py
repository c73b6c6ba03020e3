"""Memory plans: no two buffers that live at the same time overlap, whatever the graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import opdef
from netlang.passes import fuse, switches
from netlang.passes.memory import VIEWS, MemoryPlan, plan
from netlang.passes.optimizer import training_step
from netlang.placement import ALIGNMENT, Buffer, align, lower_bound, place
from tests.nets import SGD, lenet5, span, spec, tensor

BATCH = {"N": 32}


def elementwise(node: Node, index: int) -> bool:
    return "elementwise" in opdef(node.op).traits


def chain(*ops: str, size: int = 16) -> Graph:
    b = Builder((span(1),))
    x = b.input("x", tensor(size))
    y = x
    for op in ops:
        y = b.op(op, y)
    return Graph("chain", (x,), (), (("y", y),))


# ---- a plan checked by brute force: every value is given a content, and must still have it when it is read


def overwritten(graph: Graph, found: MemoryPlan, bytes_of: Any) -> Iterator[str]:
    """Carry the graph out on an arena of labels; tell every read of bytes that are no longer what was written."""
    arena = np.full(found.peak, -1, np.int64)
    labels: dict[Value, int] = {}
    for time, node in enumerate(graph.nodes):
        for value in node.inputs:
            yield from wrong(arena, found, labels, value, bytes_of, time)
        if node in found.scratch:
            offset, size = found.scratch[node]
            for value in node.inputs:
                if value in found.offsets:
                    start = found.offsets[value]
                    if start < offset + size and offset < start + bytes_of(value):
                        yield f"scratch of {node!r} overlaps an input"
            arena[offset : offset + size] = -2
        for result in node.results:
            if result not in found.offsets:
                continue
            if node.op in VIEWS:
                labels[result] = labels[node.inputs[0]]
                continue
            labels[result] = len(labels)
            offset = found.offsets[result]
            if offset % ALIGNMENT or offset + bytes_of(result) > found.peak:
                yield f"{result} is misplaced"
            arena[offset : offset + bytes_of(result)] = labels[result]
        for result in node.results:
            yield from wrong(arena, found, labels, result, bytes_of, time)
    for value in graph.roots:
        yield from wrong(arena, found, labels, value, bytes_of, len(graph.nodes))


def wrong(arena: Any, found: MemoryPlan, labels: Any, value: Value, bytes_of: Any, time: int) -> Iterator[str]:
    if value in found.offsets:
        offset = found.offsets[value]
        if (arena[offset : offset + bytes_of(value)] != labels[value]).any():
            yield f"at {time}: {value} was overwritten"


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random graphs of elementwise ops, views, copies of other sizes and nodes with two results."""
    b = Builder()
    values = [b.input("x", tensor(24)), b.param("p", tensor(24), "weight", ("constant", 0.0))]
    inputs = tuple(values)
    for _ in range(draw(st.integers(1, 25))):
        x = values[draw(st.integers(0, len(values) - 1))]
        match draw(st.sampled_from(["unary", "binary", "view", "stop", "concat", "slice", "switch"])):
            case "unary":
                values.append(b.op("tanh", x))
            case "binary":
                same = [v for v in values if v.type == x.type]
                values.append(b.add(x, same[draw(st.integers(0, len(same) - 1))]))
            case "view":
                values.append(b.op("reshape", x, shape=(*x.shape, 1) if x.rank == 1 else (x.shape[0],)))
            case "stop":
                values.append(b.op("stop_gradient", x))
            case "concat":
                values.append(b.op("concat", x, x, axis=0))
            case "slice":
                values.append(b.op("slice", x, axis=0, start=0, stop=max(1, int(str(x.shape[0])) // 2)))
            case "switch":
                map_ = b.op("reshape", x, shape=(1, 1, x.shape[0]))
                geometry = {"kernel": (1,), "stride": (1,), "pad": ((0, 0),), "dilation": (1,)}
                y, s = b.node("max_pool_switch", map_, **geometry).results
                values.append(b.op("reshape", y, shape=x.shape))
                values.append(b.op("reshape", b.op("cast", s, dtype=x.dtype), shape=x.shape))
    count = draw(st.integers(1, 3))
    outs = [values[draw(st.integers(0, len(values) - 1))] for _ in range(count)]
    outputs = tuple((f"y{i}", v) for i, v in enumerate([*outs, values[-1]]))
    return Graph("random", inputs[:1], inputs[1:], outputs)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(graphs(), st.booleans(), st.sampled_from([0, 1, 100]))
def test_nothing_is_overwritten_while_it_is_needed(graph: Graph, in_place: bool, scratch: int) -> None:
    alias = elementwise if in_place else (lambda node, index: False)
    found = plan(graph, {}, may_alias=alias, scratch=lambda node: scratch if node.op == "tanh" else 0)

    def bytes_of(value: Value) -> int:
        return int(np.prod(value.type.concrete({}))) * value.dtype.size

    assert list(overwritten(graph, found, bytes_of)) == []
    assert found.lower_bound <= found.peak
    assert all(node.op == "tanh" and size == align(scratch) for node, (_, size) in found.scratch.items())


BUFFERS = st.lists(
    st.builds(lambda size, start, length: Buffer(size * 64, start, start + length), *[st.integers(0, 12)] * 3),
    max_size=40,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(BUFFERS)
def test_placement_never_overlaps(buffers: list[Buffer]) -> None:
    offsets, size = place(buffers)
    for i, a in enumerate(buffers):
        assert offsets[i] % ALIGNMENT == 0 and offsets[i] + a.size <= size
        for j, b in enumerate(buffers[:i]):
            apart = offsets[i] + a.size <= offsets[j] or offsets[j] + b.size <= offsets[i]
            assert apart or a.end < b.start or b.end < a.start
    bound, _ = lower_bound(buffers, 30)
    assert bound <= size


# ---- particular cases


def test_a_chain_needs_two_buffers_and_one_in_place() -> None:
    graph = chain("exp", "tanh", "exp", "tanh")
    assert plan(graph, {}).peak == 2 * 64
    assert plan(graph, {}, may_alias=elementwise).peak == 64


def test_inputs_params_and_consts_are_outside() -> None:
    found = plan(lenet5(), BATCH)
    assert not [v for v in found.offsets if v.node.op in ("input", "param", "const")]


def test_a_view_of_an_input_has_the_inputs_storage() -> None:
    b = Builder()
    x = b.input("x", tensor(4, 4))
    flat = b.reshape(x, (16,))
    found = plan(Graph("g", (x,), (), (("y", b.neg(flat)),)), {}, may_alias=elementwise)
    assert found.storage[flat] == x and flat not in found.offsets
    assert found.peak == 64


def test_an_output_is_never_overwritten() -> None:
    b = Builder()
    x = b.input("x", tensor(16))
    h = b.op("exp", x)
    y = b.op("tanh", h)
    found = plan(Graph("g", (x,), (), (("h", h), ("y", y))), {}, may_alias=elementwise)
    assert found.offsets[h] != found.offsets[y]


def test_one_input_under_two_views_is_not_computed_in_place() -> None:
    b = Builder()
    x = b.input("x", tensor(4, 4))
    h = b.op("exp", x)
    y = b.add(b.reshape(b.reshape(h, (16,)), (4, 4)), b.reshape(h, (16, 1, 1)))
    found = plan(Graph("g", (x,), (), (("y", y),)), {}, may_alias=elementwise)
    assert found.storage[y] == y


def test_sizes_scale_with_the_batch_and_views_are_free() -> None:
    graph = lenet5()
    small, large = plan(graph, {"N": 1}), plan(graph, {"N": 64})
    assert large.peak == large.lower_bound and large.peak > 50 * small.peak


def test_a_value_of_no_bytes_has_no_place() -> None:
    graph = chain("exp", "tanh")
    found = plan(graph, {}, size_of=lambda v: 0 if v == graph.outputs[0][1] else 64)
    assert graph.outputs[0][1] not in found.offsets and found.peak == 64


def test_fusion_and_switches_lower_the_peak() -> None:
    before = training_step(spec(lenet5(train=True), SGD))
    after = fuse.run(switches.run(before))
    assert plan(after, BATCH).peak < 0.7 * plan(before, BATCH).peak


def test_by_node_and_at_peak_account_for_every_byte() -> None:
    graph = training_step(spec(lenet5(train=True), SGD))
    found = plan(graph, BATCH, scratch=lambda node: 4096 if node.op == "conv" else 0)
    assert max(found.by_node.values()) == found.lower_bound == sum(size for _, size in found.at_peak)
    conv1 = graph.param("conv1.weight").node
    assert any(node.spans == conv1.spans for node, _ in found.at_peak)


def test_parts_lie_in_their_whole_from_the_first_to_the_last() -> None:
    """%1 and %3 are parts of %4: its place is taken when %1 is made, and nobody else's until %5 has read it."""
    b = Builder()
    x = b.input("x", tensor(1, 16))
    first = b.op("exp", x)
    other = b.op("tanh", first)
    second = b.op("neg", other)
    whole = b.op("concat", first, second, axis=1)
    y = b.op("abs", whole)
    graph = Graph("g", (x,), (), (("y", y),))
    found = plan(graph, {}, may_alias=elementwise, within={first: whole, second: whole})
    assert found.storage[first] == found.storage[second] == found.storage[y] == whole
    assert found.offsets[first] == found.offsets[second] == found.offsets[whole]
    assert found.storage[other] == other and found.offsets[other] != found.offsets[whole]
    assert found.peak == found.lower_bound == 128 + 64


def test_parts_of_what_leaves_the_graph_have_no_place_in_the_arena() -> None:
    b = Builder()
    x = b.input("x", tensor(1, 16))
    part = b.op("exp", x)
    whole = b.op("concat", part, b.op("neg", part), axis=1)
    parts = dict.fromkeys(whole.node.inputs, whole)
    found = plan(Graph("g", (x,), (), (("y", whole),)), {}, size_of=lambda v: 0, within=parts)
    assert found.peak == 0 and not found.offsets
