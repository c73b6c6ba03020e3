"""Fusion: what goes together, what must not, and that the results stay the same bit for bit."""

from __future__ import annotations

from typing import Any

import pytest

from netlang.backends.reference import evaluate
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.module import Call
from netlang.ir.types import DType
from netlang.ir.verify import verify
from netlang.passes import cse, dce, fuse, inference_pipeline, simplify, switches, training_pipeline
from netlang.passes.epilogue import POOLS
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from netlang.passes.partition import Partition
from tests.nets import (
    SGD,
    Net,
    kinds,
    lenet5,
    mean_cross_entropy,
    nodes_of,
    random_inputs,
    random_params,
    same_bits,
    span,
    spec,
    tensor,
)

ADAM = Call("adam", {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.1})


def fused(graph: Graph) -> Graph:
    """The graph after fusion, checked to be sound and to compute the same."""
    after = fuse.run(graph)
    verify(after)
    inputs, params = random_inputs(graph, {"N": 3}), random_params(graph)
    for a, b in zip(evaluate(graph, inputs, params), evaluate(after, inputs, params), strict=True):
        assert same_bits(a, b)
    return after


def inside(node: Node) -> list[str]:
    """The ops of a fused node's body, without free ones."""
    assert node.body is not None
    return [n.op for n in node.body.nodes if n.op not in ("input", "const", "reshape", "broadcast", "extent")]


def only(graph: Graph) -> Node:
    (node,) = nodes_of(graph, "fused")
    return node


# ---- convolution


def test_lenet5_has_one_kernel_per_stage() -> None:
    graph = PassManager().run(lenet5(), inference_pipeline())
    assert kinds(graph) == ["fused.conv"] * 2 + ["fused.dense"] * 3 + ["softmax"]
    assert inside(nodes_of(graph, "fused")[0]) == ["conv", "max_pool", "add", "relu"]
    assert before_pools(graph) == []


def test_training_lenet5_never_stores_the_map_before_a_pool() -> None:
    graph = PassManager().run(training_step(spec(lenet5(train=True), SGD)), training_pipeline())
    first, second = [n for n in nodes_of(graph, "fused") if n.attrs["kind"] == "conv"][:2]
    assert inside(first) == inside(second) == ["conv", "max_pool_switch", "add", "relu"]
    assert [str(t.dtype) for t in first.types] == ["f32", "i8"]
    assert before_pools(graph) == []
    assert not nodes_of(graph, "conv") and not nodes_of(graph, "relu") and not nodes_of(graph, "conv_data_grad")


def before_pools(graph: Graph) -> list[Value]:
    """Values of the graph, or results of its fused nodes, that a pool makes smaller."""
    read = [(n, graph) for n in graph.nodes] + [(m, n.body) for n in graph.nodes if n.body for m in n.body.nodes]
    pools = [(n, g) for n, g in read if n.op in POOLS]
    return [n.inputs[0] for n, g in pools if g is graph or n.inputs[0] in (*g.inputs, *g.roots)]


@pytest.mark.parametrize("optimizer", [SGD, ADAM], ids=["sgd", "adam"])
def test_the_whole_pipeline_leaves_a_training_step_the_same(optimizer: Call) -> None:
    graph = training_step(spec(lenet5(train=True, size=20), optimizer, Call("norm", {"max": 1.0})))
    fused(switches.run(graph))


def test_a_normalisation_takes_its_pool_and_leaves_the_rest_to_the_convolution() -> None:
    net = Net()
    _, y = conv_net(net)
    make = net.line()
    y = make.op("local_response_norm", make.op("relu", y), size=5)
    window = {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
    graph = fused(net.graph(y=net.line().op("max_pool", y, **window)))
    assert kinds(graph) == ["fused.conv", "fused.response"]
    assert inside(nodes_of(graph, "fused")[1]) == ["local_response_norm", "max_pool"]


def test_bounds_follow_an_activation_or_stand_for_one() -> None:
    for layer in (
        lambda b, y: b.op("min", b.op("relu", y), b.scalar(6.0, y)),
        lambda b, y: b.op("min", b.scalar(1.0, y), b.op("max", y, b.scalar(-1.0, y))),
    ):
        net = Net()
        _, y = conv_net(net)
        assert kinds(fused(net.graph(y=layer(net.line(), y)))) == ["fused.conv"]
    net = Net()
    x, y = conv_net(net)
    graph = fused(net.graph(y=net.line().op("min", y, net.conv("other", x, 4, 3, pad=1))))
    assert "min" not in [op for n in nodes_of(graph, "fused") if n.attrs["kind"] == "conv" for op in inside(n)]


def test_a_pool_with_gaps_in_its_windows_stays_outside() -> None:
    """No kernel has it, and a body that nothing can carry out as a whole would lose the convolution's own steps too."""
    net = Net()
    _, y = conv_net(net)
    make = net.line()
    window = {"kernel": (2, 2), "stride": (1, 1), "pad": ((0, 0), (0, 0)), "dilation": (2, 1)}
    graph = fused(net.graph(y=make.op("max_pool", make.op("relu", y), **window)))
    assert kinds(graph) == ["fused.conv", "max_pool"]


def conv_net(net: Net) -> tuple[Value, Value]:
    x = net.input("x", 2, 3, 8, 8)
    return x, net.conv("c", x, 4, 3, pad=1)


@pytest.mark.parametrize("pool", ["max_pool", "avg_pool", "sum_pool"])
def test_pool_and_activation_in_either_order(pool: str) -> None:
    net = Net()
    _, y = conv_net(net)
    one = net.line().op("relu", net.pool(y, op=pool))
    graph = fused(net.graph(y=one))
    assert inside(only(graph)) == ["conv", "add", pool, "relu"]
    net = Net()
    _, y = conv_net(net)
    graph = fused(net.graph(y=net.pool(net.line().op("tanh", y), op=pool)))
    assert inside(only(graph)) == ["conv", "add", "tanh", pool]


def test_scale_and_shift_and_residual_of_a_folded_batchnorm() -> None:
    net = Net()
    x, y = conv_net(net)
    make = net.line("bn")
    scale, shift = net.param(make, "scale", 4), net.param(make, "shift", 4)
    y = make.add(make.mul(y, make.along(scale, 4, 1)), make.broadcast(make.along(shift, 4, 1), y.shape))
    other = net.conv("skip", x, 4, 1, bias=False)
    graph = fused(net.graph(y=net.line().op("relu", net.line().add(other, make.scale(y, 0.5)))))
    # Either could take the sum; the convolution that comes first in the graph does.
    assert [n.name for n in nodes_of(graph, "fused")] == ["c", "skip"]
    assert [inside(n) for n in nodes_of(graph, "fused")] == [
        ["conv", "add", "mul", "add", "mul"],
        ["conv", "add", "relu"],
    ]


def test_a_value_per_row_is_no_bias() -> None:
    net = Net()
    _, y = conv_net(net)
    make = net.line()
    graph = fused(net.graph(y=make.add(y, net.param(make, "p", 8))))
    assert inside(only(graph)) == ["conv", "add"] and len(only(graph).inputs) == 3
    assert "add" in kinds(graph)


def test_what_another_node_reads_stays_outside() -> None:
    net = Net()
    _, y = conv_net(net)
    act = net.line().op("relu", y)
    graph = fused(net.graph(y=net.pool(act), z=net.line().op("reduce_sum", act, axes=(0, 1, 2, 3))))
    assert inside(nodes_of(graph, "fused")[0]) == ["conv", "add", "relu"]
    assert "max_pool" in kinds(graph)


def test_an_output_is_not_swallowed() -> None:
    net = Net()
    _, y = conv_net(net)
    graph = fused(net.graph(y=y, z=net.line().op("relu", y)))
    assert inside(only(graph)) == ["conv", "add"] and "relu" in kinds(graph)


def test_no_second_activation_and_no_second_pool() -> None:
    net = Net()
    _, y = conv_net(net)
    y = net.line().op("tanh", net.line().op("relu", y))
    graph = fused(net.graph(y=y))
    assert inside(nodes_of(graph, "fused")[0]) == ["conv", "add", "relu"]
    net = Net()
    _, y = conv_net(net)
    graph = fused(net.graph(y=net.pool(net.pool(y))))
    assert inside(only(graph)) == ["conv", "add", "max_pool"]


def test_a_residual_that_depends_on_the_convolution_would_be_a_cycle() -> None:
    net = Net()
    _, y = conv_net(net)
    make = net.line()
    pooled = make.op("reduce_mean", y, axes=(2, 3), keepdims=True)
    graph = fused(net.graph(y=make.add(y, make.broadcast(make.op("sigmoid", pooled), y.shape))))
    assert inside(nodes_of(graph, "fused")[0]) == ["conv", "add"]


def test_conv_data_grad_takes_the_mask_of_the_relu_below() -> None:
    graph = switches.run(training_step(spec(lenet5(train=True, size=20), SGD)))
    grads = [n for n in nodes_of(fused(graph), "fused") if "conv_data_grad" in inside(n)]
    assert [inside(n) for n in grads] == [["gt", "conv_data_grad", "where"]]


def test_a_fused_node_keeps_all_places_and_the_name_of_its_main_op() -> None:
    graph = PassManager().run(lenet5(), inference_pipeline())
    node = nodes_of(graph, "fused")[0]
    (line,) = (s.line for s in graph.param("conv1.weight").node.spans)
    assert node.name == "conv1" and node.spans[0].line == line and len(node.spans) == 3


# ---- dense


def test_dense_with_bias_and_activation_of_any_rank() -> None:
    net = Net()
    x = net.input("x", 2, 5, 6)
    graph = fused(net.graph(y=net.line().op("gelu", net.dense("d", x, 4))))
    assert (only(graph).attrs["kind"], inside(only(graph))) == ("dense", ["matmul", "add", "gelu"])


def test_dense_leaves_scaling_and_residuals_to_loops() -> None:
    net = Net()
    x = net.input("x", 2, 4)
    make = net.line()
    y = make.add(net.dense("d", x, 4), x)
    graph = fused(net.graph(y=make.scale(y, 2.0)))
    assert [inside(n) for n in nodes_of(graph, "fused")] == [["matmul", "add"], ["add", "mul"]]


def test_a_bare_product_stays_bare() -> None:
    net = Net()
    x = net.input("x", 2, 4)
    graph = net.graph(y=net.line().op("matmul", x, net.param(net.line(), "w", 4, 3)))
    assert kinds(fused(graph)) == ["matmul"]


# ---- loops


def batch(name: str, *shape: Any) -> tuple[Builder, Value]:
    b = Builder((span(1),), "layer")
    return b, b.input(name, tensor(*shape))


def graph_of(inputs: list[Value], *outputs: Value) -> Graph:
    return Graph("g", tuple(inputs), (), tuple((f"y{i}", v) for i, v in enumerate(outputs)))


def test_a_chain_is_one_loop_with_its_numbers_inside() -> None:
    b, x = batch("x", sym("N"), 4)
    h = b.op("exp", x)
    y = b.div(b.scale(h, 2.0), b.broadcast(b.op("extent", dim=sym("N")), x.shape))
    node = only(fused(graph_of([x], y, h)))
    assert (node.attrs["kind"], inside(node), len(node.inputs)) == ("loop", ["exp", "mul", "div"], 1)
    assert node.types == (h.type, y.type)


def test_a_reduction_ends_a_loop() -> None:
    b, x = batch("x", sym("N"), 4, 5)
    h = b.mul(x, x)
    total = b.op("sqrt", b.sum(h, (0, 2)))
    graph = fused(graph_of([x], total, h))
    assert inside(only(graph)) == ["mul", "reduce_sum"] and "sqrt" in kinds(graph)


def test_reductions_over_other_axes_are_another_loop() -> None:
    b, x = batch("x", 3, 4)
    h = b.mul(x, x)
    graph = fused(graph_of([x], b.sum(h, (0,)), b.sum(h, (1,))))
    assert inside(only(graph)) == ["mul", "reduce_sum"] and kinds(graph).count("reduce_sum") == 1


def test_reductions_of_one_tensor_share_a_loop() -> None:
    b, x = batch("x", 3, 4)
    graph = fused(graph_of([x], b.sum(x, (0,)), b.sum(b.mul(x, x), (0,), keepdims=True)))
    assert sorted(inside(only(graph))) == ["mul", "reduce_sum", "reduce_sum"]


def rowwise_softmax(b: Builder, x: Value, kept: bool) -> Value:
    def rows(op: str, value: Value) -> Value:
        row = b.op(op, value, axes=(1,), keepdims=kept)
        return row if kept else b.broadcast(b.reshape(row, (x.shape[0], 1)), x.shape)

    e = b.op("exp", b.sub(x, rows("reduce_max", x)))
    return b.div(e, rows("reduce_sum", e))


@pytest.mark.parametrize("kept", [True, False])
def test_a_softmax_by_hand_is_one_loop(kept: bool) -> None:
    b, x = batch("x", sym("N"), 5)
    node = only(fused(graph_of([x], rowwise_softmax(b, x, kept))))
    assert inside(node) == ["reduce_max", "sub", "exp", "reduce_sum", "div"]


def test_rows_with_their_own_arithmetic_are_one_loop() -> None:
    b, x = batch("x", sym("N"), 5)
    mean = b.op("reduce_mean", x, axes=(1,), keepdims=True)
    centred = b.sub(x, mean)
    deviation = b.op("sqrt", b.add(b.op("reduce_mean", b.mul(centred, centred), axes=(1,)), b.scalar(1e-5, x)))
    y = b.div(centred, b.reshape(deviation, (sym("N"), 1)))
    assert len(inside(only(fused(graph_of([x], y))))) == 7


def test_rows_along_a_leading_axis_are_two_loops() -> None:
    b, x = batch("x", sym("N"), 5)
    mean = b.op("reduce_mean", b.op("exp", x), axes=(0,))
    y = b.op("tanh", b.sub(x, mean))
    assert [inside(n) for n in nodes_of(fused(graph_of([x], y)), "fused")] == [["exp", "reduce_mean"], ["sub", "tanh"]]


def channels(count: int) -> tuple[Builder, Value, Value, Value]:
    b, x = batch("x", sym("N"), count, 4, 5)
    return b, x, b.input("gamma", tensor(count)), b.input("beta", tensor(count))


def test_batch_normalization_and_what_follows_are_one_loop() -> None:
    b, x, gamma, beta = channels(16)
    y, mean, var = b.node("batchnorm_train", x, gamma, beta, eps=1e-3).results
    graph = fused(graph_of([x, gamma, beta], b.op("relu", b.add(y, x)), b.scale(mean, 0.9), var))
    assert sorted(inside(only(graph))) == ["add", "batchnorm_train", "mul", "relu"]


def test_the_gradient_of_batch_normalization_is_one_loop() -> None:
    b, x, gamma, beta = channels(16)
    y, _, _ = b.node("batchnorm_train", x, gamma, beta, eps=1e-3).results
    dy = b.input("dy", x.type)
    grads = gradients(b.sum(b.mul(y, dy), (0, 1, 2, 3)), [x, gamma, beta])
    graph = fused(dce.run(cse.run(simplify.run(graph_of([x, gamma, beta, dy], *grads)))))
    loops = [n for n in nodes_of(graph, "fused") if "reduce_sum" in inside(n)]
    assert len(loops) == 1 and loops[0].results[0].shape != () and kinds(graph).count("reduce_sum") == 0


def test_few_rows_that_lie_apart_are_no_rows() -> None:
    """All threads share the elements of the map instead of three channels."""
    b, x, gamma, beta = channels(3)
    y = b.node("batchnorm_train", x, gamma, beta, eps=1e-3).results[0]
    graph = fused(graph_of([x, gamma, beta], b.op("exp", b.op("relu", y))))
    assert inside(only(graph)) == ["relu", "exp"] and kinds(graph).count("batchnorm_train") == 1


def test_a_scale_computed_from_a_map_is_computed_before_the_normalization() -> None:
    b, x, _, beta = channels(16)
    gamma = b.sum(b.op("exp", x), (0, 2, 3))
    graph = fused(graph_of([x, beta], b.node("batchnorm_train", x, gamma, beta, eps=1e-3).results[0]))
    assert "batchnorm_train" not in inside(only(graph))


def test_a_row_value_read_along_the_wrong_axis_is_not_joined() -> None:
    b, x = batch("x", 4, 4)
    total = b.sum(x, (1,))
    graph = fused(graph_of([x], b.op("exp", b.sub(x, total)), b.op("exp", b.sub(x, b.broadcast(total, x.shape)))))
    assert kinds(graph)[0] == "reduce_sum"


def test_everything_reduced_is_no_row() -> None:
    b, x = batch("x", 4, 4)
    graph = fused(graph_of([x], b.op("exp", b.div(x, b.sum(b.mul(x, x), (0, 1))))))
    assert [inside(n) for n in nodes_of(graph, "fused")] == [["mul", "reduce_sum"], ["div", "exp"]]


def test_a_smaller_operand_is_computed_before_the_loop() -> None:
    b, x = batch("x", 3, 4)
    p = b.input("p", tensor(4))
    y = b.op("tanh", b.mul(x, b.op("exp", p)))
    graph = fused(graph_of([x, p], y))
    assert inside(only(graph)) == ["mul", "tanh"] and "exp" in kinds(graph)


def test_a_broadcast_is_never_stored_for_a_loop() -> None:
    b, x = batch("x", sym("N"), 4)
    p = b.input("p", tensor(4))
    graph = fused(graph_of([x, p], b.mul(x, b.broadcast(p, x.shape))))
    assert inside(only(graph)) == ["mul"] and "broadcast" not in kinds(graph)


def test_dropout_draws_inside_the_loop() -> None:
    b, x = batch("x", sym("N"), 4)
    key = b.input("$rng", tensor(2, dtype=DType.I64))
    drawn = b.op("uniform", key, shape=x.shape, stream=3)
    kept = b.op("ge", drawn, b.scalar(0.5, x))
    y = b.op("where", kept, b.scale(x, 2.0), b.scalar(0.0, x))
    node = only(fused(graph_of([x, key], y)))
    assert sorted(inside(node)) == ["ge", "mul", "uniform", "where"]


# ---- legality


def test_no_loop_around_something_that_is_not_part_of_it() -> None:
    b, x = batch("x", 4, 4)
    a = b.op("exp", x)
    between = b.op("transpose", a, perm=(1, 0))
    y = b.add(a, b.op("tanh", between))
    graph = fused(graph_of([x], y))
    assert inside(only(graph)) == ["tanh", "add"] and kinds(graph)[0] == "exp"


def test_two_groups_that_each_are_convex_but_would_wait_for_each_other() -> None:
    b, x = batch("x", 4, 4)
    a1, b1 = b.op("exp", x), b.op("tanh", x)
    a2, b2 = b.op("matmul", b1, x), b.op("matmul", a1, x)
    graph = graph_of([x], a2, b2)
    partition = Partition(graph)
    assert partition.join([partition.group(a1.node), partition.group(a2.node)])
    assert not partition.join([partition.group(b1.node), partition.group(b2.node)])


def test_groups_stay_in_an_order_that_can_be_carried_out() -> None:
    b, x = batch("x", 4, 4)
    first = b.op("exp", x)
    side = b.op("matmul", first, x)
    last = b.op("matmul", x, b.op("tanh", x))
    partition = Partition(graph_of([x], side, last))
    assert partition.join([partition.group(first.node), partition.group(last.node)])
    order = partition.groups()
    assert order.index(partition.group(last.node)) < order.index(partition.group(side.node))
    assert order.index(partition.group(last.node.inputs[1].node)) < order.index(partition.group(last.node))


def test_a_dead_first_result_leaves_the_switch_alone() -> None:
    net = Net()
    _, y = conv_net(net)
    geometry = {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
    switch = net.line().node("max_pool_switch", y, **geometry).results[1]
    graph = fused(net.graph(y=switch))
    assert only(graph).types == (switch.type,)


def test_fusing_twice_changes_nothing() -> None:
    once = fuse.run(switches.run(training_step(spec(lenet5(train=True), SGD))))
    assert kinds(fuse.run(once)) == kinds(once)


def test_large_graphs_are_fused_in_time_that_grows_linearly() -> None:
    b, x = batch("x", 4, 4)
    y = x
    for _ in range(400):
        y = b.op("matmul", b.op("tanh", b.add(b.op("exp", y), x)), x)
    graph = fuse.run(graph_of([x], y))
    assert kinds(graph) == ["fused.loop", "matmul"] * 400


def test_batchnorm_training_and_strided_stack() -> None:
    net = Net()
    x = net.input("image", sym("N"), 2, 9, 9)
    h = x
    for i in range(2):
        h = net.conv(f"c{i}", h, 4, 3, pad=1)
        make = net.line(f"bn{i}")
        gamma, beta = net.param(make, f"gamma{i}", 4), net.param(make, f"beta{i}", 4)
        y, mean, var = make.node("batchnorm_train", h, gamma, beta).results
        for name, now in (("mean", mean), ("var", var)):
            old = net.param(make, f"{name}{i}", 4, role="buffer")
            net.updates.append((f"{name}{i}", make.add(make.scale(old, 0.9), make.scale(now, 0.1))))
        h = net.line().op("relu", y)
    logits = net.dense("fc", net.flatten(net.pool(h, 3)), 10)
    label = net.input("label", sym("N"), dtype=DType.I64)
    graph = training_step(spec(net.graph(loss=mean_cross_entropy(net, logits, label)), ADAM))
    after = fused(switches.run(graph))
    assert len(after.nodes) < len(graph.nodes) / 2
