"""From text to graphs: shapes, sharing, names, modes, sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

import netlang.ir.text as text_form
from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.ir.dims import sym
from netlang.ir.graph import Graph
from netlang.ir.module import Module
from netlang.ir.types import DType

EXAMPLES = Path(__file__).parents[2] / "examples"


def net(body: str, inputs: str = "input x: f32[N, 3, 8, 8]", before: str = "") -> Graph:
    return load(f"{before}\nnet n() {{\n  {inputs}\n{body}\n}}\n").net


def params(graph: Graph) -> dict[str, tuple[object, ...]]:
    return {p.node.name: p.shape for p in graph.params}


def ops(graph: Graph) -> list[str]:
    return [n.op for n in graph.nodes]


def test_lenet() -> None:
    graph = load(EXAMPLES / "lenet5.net").net
    shapes = {n.name: str(n.types[0]) for n in graph.nodes}
    assert shapes["stage1.maxpool1"] == "f32[N, 6, 14, 14]"
    assert shapes["stage2.maxpool1"] == "f32[N, 16, 5, 5]"
    assert params(graph)["dense1.weight"] == (120, 400)
    assert [n for n, _ in graph.outputs] == ["probs"]


def test_shapes_follow_symbolic_sizes() -> None:
    graph = net("  output y = x -> maxpool(2) -> flatten", "input x: f32[N, 4, H, 6]")
    assert graph.symbols == ("N", "H")
    assert str(graph.output("y").type) == "f32[N, 12*((H)//2)]"


def test_a_bound_layer_shares_its_parameters() -> None:
    graph = net("  enc = conv(3, 3, pad = same)\n  output y = x -> enc -> relu -> enc")
    assert params(graph) == {"enc.weight": (3, 3, 3, 3), "enc.bias": (3,)}
    assert ops(graph).count("conv") == 2


def test_a_layer_written_twice_has_two_sets() -> None:
    graph = net("  output y = x -> conv(3, 3) -> conv(3, 3)")
    assert list(params(graph)) == ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]


def test_repeat_copies_and_a_bare_name_is_a_layer_of_its_own() -> None:
    graph = net("  output y = x -> repeat(2, conv(3, 3, bias = false) -> batchnorm) -> batchnorm")
    weights = [n for n in params(graph) if n.endswith(".weight")]
    assert weights == ["conv1.weight", "batchnorm1.weight", "conv2.weight", "batchnorm2.weight", "batchnorm3.weight"]


def test_repeat_also_copies_the_layers_inside_the_layer() -> None:
    graph = net("  output y = x -> repeat(2, residual(conv(3, 3, pad = same, bias = false)))")
    assert list(params(graph)) == ["residual1.conv1.weight", "residual2.conv1.weight"]


def test_a_layer_passed_to_a_block_is_one_layer() -> None:
    twice = "block twice(x, f) { return x -> f -> f }"
    graph = net("  output y = x -> twice(conv(3, 3, bias = false))", before=twice)
    assert list(params(graph)) == ["twice1.conv1.weight"]
    graph = net("  output y = x -> twice(batchnorm)", before=twice)
    assert len(params(graph)) == 8


def test_a_named_composition_carries_its_name() -> None:
    graph = net("  enc = conv(8, 3) -> batchnorm -> relu\n  output y = x -> enc")
    assert set(params(graph)) == {
        "enc.conv1.weight", "enc.conv1.bias", "enc.batchnorm1.weight", "enc.batchnorm1.bias",
        "enc.batchnorm1.running_mean", "enc.batchnorm1.running_var",
    }  # fmt: skip


def test_paths_through_blocks() -> None:
    before = "block stage(x, c) { return x -> conv(c, 3) -> relu }\nblock body(x) { return x -> stage(4) -> stage(5) }"
    graph = net("  output y = x -> body -> stage(6)", before=before)
    assert [n for n in params(graph) if n.endswith("weight")] == [
        "body1.stage1.conv1.weight", "body1.stage2.conv1.weight", "stage1.conv1.weight",
    ]  # fmt: skip
    assert {n.name for n in graph.nodes if n.op == "relu"} == {
        "body1.stage1.relu1",
        "body1.stage2.relu1",
        "stage1.relu1",
    }


def test_names_do_not_collide() -> None:
    graph = net("  conv1 = conv(3, 3)\n  a = x -> conv1\n  output y = a -> conv(3, 3)")
    assert [n for n in params(graph) if n.endswith("weight")] == ["conv1.weight", "conv2.weight"]


def test_loops_make_new_layers_and_may_rebind() -> None:
    graph = net("  h = x\n  for c in [4, 5] { h = h -> conv(c, 3) }\n  output y = h")
    assert params(graph)["conv2.weight"] == (5, 4, 3, 3)
    graph = net("  h = x\n  for i, c in [(1, 4), (2, 5)] { h = h -> conv(c * i, 1) }\n  output y = h")
    assert graph.output("y").shape == (sym("N"), 10, 8, 8)


def test_conditions_are_decided_at_compile_time() -> None:
    before = (
        "block b(x, flag) {\n if flag and x.rank == 4 { return x } else if not flag { return relu(x) }\n return -x\n}"
    )
    graph = net(
        "  output a = x -> b(true)\n  output c = x -> b(false)\n  output d = 2 if x.shape[1] == 4 else x", before=before
    )
    assert graph.output("a").node.op == "input"
    assert graph.output("c").node.op == "relu"
    assert graph.output("d").node.op == "input"


def test_calls_and_pipes_mean_the_same() -> None:
    one = net("  output y = softmax(dense(flatten(x), 4))")
    other = net("  output y = x -> flatten -> dense(4) -> softmax")
    assert text_form.print_graph(one) == text_form.print_graph(other)


def test_several_inputs_go_through_one_pipe() -> None:
    graph = net("  output y = (x, x * 2, -x) -> concat(axis = -1)")
    assert graph.output("y").shape == (sym("N"), 3, 8, 24)
    graph = net("  a, b = x -> split(2, axis = 2)\n  output y = [a, b] -> concat")
    assert graph.output("y").shape == (sym("N"), 6, 4, 8)


def test_numbers_take_the_type_of_the_tensor_beside_them() -> None:
    graph = net("  output y = 2 * x + 1\n  output z = max(0, x) ** 2", "input x: f64[N]")
    assert {n.types[0].dtype for n in graph.nodes if n.op == "const"} == {DType.F64}
    assert graph.output("z").node.op == "mul"


def test_sizes_become_numbers_when_the_net_runs() -> None:
    graph = net("  output y = sum(x) / x.shape[0]")
    (extent,) = [n for n in graph.nodes if n.op == "extent"]
    assert extent.attrs["dim"] == sym("N") and extent.types[0].dtype is DType.F32


def test_parameters_with_literals_and_initialisers() -> None:
    graph = net(
        "  frozen k: f32[1, 1, 2, 2] = [[1, 2], [3, 4]]\n  param w: f32[4, 2, 3] = he_normal()\n"
        "  param u: f32[4, 2, 3] = xavier()\n  param c: f32 = 3\n  output y = sum(k) + sum(w) + c + sum(u) + x"
    )
    init = {p.node.name: p.node.attrs["init"] for p in graph.params}
    assert init["k"][0] == "value" and init["k"][1].shape == (1, 1, 2, 2) and init["k"][1][0, 0, 1, 0] == 3
    assert init["w"] == ("normal", 0.0, (2 / 6) ** 0.5)
    assert init["u"] == ("uniform", -((6 / 18) ** 0.5), (6 / 18) ** 0.5)
    assert init["c"] == ("constant", 3.0)
    assert {p.node.name: p.node.attrs["role"] for p in graph.params}["k"] == "frozen"


def test_the_gradient_is_an_expression() -> None:
    graph = net("  a, b = grad(sum(x * x * 3), [x, x])\n  output g = a + b")
    assert graph.output("g").shape == graph.input("x").shape


def test_a_parameter_of_a_layer_can_be_named() -> None:
    graph = net("  fc = dense(5)\n  h = x -> flatten -> fc\n  output back = h @ fc.weight")
    assert len(graph.params) == 2 and graph.output("back").shape == (sym("N"), 192)


def test_nodes_know_their_place_and_layer() -> None:
    module = load("block b(x) {\n  return x -> dense(3)\n}\nnet n() {\n  input x: f32[N, 4]\n  output y = x -> b\n}\n")
    (matmul,) = [n for n in module.net.nodes if n.op == "matmul"]
    assert matmul.name == "b1.dense1"
    assert (matmul.spans[0].line, matmul.spans[0].column) == (2, 15)
    assert module.net.params[0].node.spans[0].line == 2


# ---- training and evaluation

TRAINED = """
net n() {
  input x: f32[N, 6]
  h = x -> dense(8) -> batchnorm -> relu -> dropout(0.5) -> dropout(0.25)
  output y = h -> dense(3)
}
train {
  target label: i64[N]
  aux = h -> dense(2)
  loss cross_entropy(y, label) + 0.1 * sum(aux ** 2)
  metric accuracy(y, label)
  metric spread = max(y)
  optimizer sgd(lr = 0.1, schedule = warmup(2, then = cosine()))
  clip value(0.5)
  stop early(monitor = spread)
  epochs 6
  batch 16
  augment x -> normalize(0.5, [1, 2, 3])
}
"""


def trained() -> Module:
    return load(TRAINED)


def test_training_and_evaluation_differ_only_where_they_should() -> None:
    module = trained()
    spec = module.train
    assert spec is not None
    training, evaluation = ops(spec.graph), ops(spec.evaluation)
    assert training.count("uniform") == 2 and "batchnorm_train" in training
    assert "uniform" not in evaluation and "batchnorm" in evaluation
    assert [(p.node.name, p.type) for p in spec.graph.params] == [(p.node.name, p.type) for p in spec.evaluation.params]
    assert [n for n, _ in spec.graph.updates] == ["batchnorm1.running_mean", "batchnorm1.running_var"]
    assert not spec.evaluation.updates and not module.net.updates


def test_inputs_outputs_and_parameters_of_the_three_graphs() -> None:
    module = trained()
    spec = module.train
    assert spec is not None
    names = [[v.node.name for v in g.inputs] for g in (module.net, spec.graph, spec.evaluation)]
    assert names == [["x"], ["x", "label", "$rng"], ["x", "label"]]
    outputs = [[n for n, _ in g.outputs] for g in (module.net, spec.graph, spec.evaluation)]
    assert outputs == [["y"], ["loss", "accuracy", "spread"], ["loss", "accuracy", "spread", "y"]]
    inference = [p.node.name for p in module.net.params]
    assert inference == [p.node.name for p in spec.graph.params][: len(inference)]
    assert spec.graph.params[-1].node.name == "dense3.bias" and len(spec.graph.params) == len(inference) + 2


def test_random_layers_have_streams_of_their_own_that_stay_the_same() -> None:
    streams = []
    for text in (TRAINED, TRAINED.replace("dense(8)", "relu -> dense(8)")):
        spec = load(text).train
        assert spec is not None
        streams.append([n.attrs["stream"] for n in spec.graph.nodes if n.op == "uniform"])
    assert streams[0] == streams[1] and len(set(streams[0])) == 2


def test_the_recipe_is_complete() -> None:
    spec = trained().train
    assert spec is not None
    assert spec.targets == ("label",) and spec.metrics == ("accuracy", "spread")
    assert (spec.epochs, spec.batch) == (6, 16)
    assert spec.optimizer.name == "sgd"
    assert dict(spec.optimizer.args) == {"lr": 0.1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    assert spec.schedule.name == "warmup" and spec.schedule["epochs"] == 2
    assert dict(spec.schedule["then"].args) == {"epochs": 4, "floor": 0.0}
    assert spec.clip is not None and (spec.clip.name, spec.clip["max"]) == ("value", 0.5)
    assert spec.stop is not None and dict(spec.stop.args) == {"patience": 5, "monitor": "spread"}
    ((name, calls),) = spec.augment
    assert name == "x" and dict(calls[0].args) == {"mean": 0.5, "std": (1.0, 2.0, 3.0)}


def test_defaults_of_a_recipe() -> None:
    net = "net n() {\n input x: f32[N]\n param w: f32 = 1\n output y = x * w\n}\n"
    spec = load(net + "train {\n loss mean(y)\n optimizer adam()\n}\n").train
    assert spec is not None
    assert (spec.epochs, spec.batch, spec.schedule.name, spec.clip, spec.stop) == (10, 32, "constant", None, None)
    assert dict(spec.optimizer.args) == {"lr": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}


def test_train_belongs_to_the_last_net_above_it() -> None:
    nets = "net {0}() {{\n input x: f32[N, 2]\n {0}_y = x -> dense(2)\n output y = {0}_y\n}}\n"
    text = nets.format("a") + nets.format("b") + "train {\n loss sum(b_y)\n optimizer adam()\n}\n" + nets.format("c")
    module = load(text)
    assert list(module.nets) == ["a", "b", "c"] and module.net.name == "c"
    assert module.train is not None and module.train.graph.name == "b"


def test_a_shared_batchnorm_updates_its_statistics_twice() -> None:
    spec = load(
        "net n() {\n input a: f32[N, 3]\n input b: f32[N, 3]\n bn = batchnorm\n norm = batchnorm()\n"
        " output y = (a -> norm) + (b -> norm) + (a -> bn)\n}\ntrain {\n loss sum(y)\n optimizer adam()\n}\n"
    ).train
    assert spec is not None
    assert [n for n, _ in spec.graph.updates][:2] == ["norm.running_mean", "norm.running_var"]
    mean = dict(spec.graph.updates)["norm.running_mean"]
    seen = Graph("g", spec.graph.inputs, spec.graph.params, (("mean", mean),))
    assert ops(seen).count("batchnorm_train") == 2


# ---- warnings


def test_warnings() -> None:
    module = load(
        "block b(x, unused = 2) { return x }\nnet n() {\n  input x: f32[N]\n  input z: f32[N]\n  idle = x * 2\n"
        "  _quiet = x * 3\n  param w: f32[3] = zeros()\n  h = x + sum(w)\n  output y = x -> b\n}\n"
    )
    found = [(w.spans[0].line, w.message) for w in module.warnings]
    assert found == [
        (1, "parameter 'unused' is not used"),
        (4, "nothing depends on the input 'z'"),
        (5, "binding 'idle' is not used"),
        (7, "nothing depends on the parameter 'w'"),
        (8, "binding 'h' is not used"),
    ]
    assert all(w.severity == "warning" for w in module.warnings)


def test_what_only_training_uses_is_used() -> None:
    assert trained().warnings == ()


def test_a_file_full_of_faults_is_not_told_in_full() -> None:
    lines = "\n".join(f"  h{i} = unknown{i}" for i in range(2000))
    with pytest.raises(NetError) as raised:
        load(f"net n() {{\n  input x: f32[N]\n{lines}\n  output y = x\n}}")
    assert [d.spans[0].line for d in raised.value.diagnostics] == list(range(3, 53))


@pytest.mark.parametrize(
    ("layer", "loss", "hint"),
    [
        ("dense(4)", "stop_gradient(cross_entropy(logits, label))", "accuracy, argmax"),
        ("dense(4)", "1 - accuracy(logits, label)", "accuracy, argmax"),
        ("relu", "cross_entropy(logits, label)", "the net has none"),
        ("dense(4)", "cross_entropy(logits, label)", ""),
        ("counted", "cross_entropy(logits, label)", ""),
    ],
)
def test_a_loss_that_trains_nothing(layer: str, loss: str, hint: str) -> None:
    module = load(
        f"net n() {{\n input x: f32[N, 4]\n logits = x -> {layer}\n output y = logits\n}}\n"
        f"train {{\n target label: i64[N]\n loss {loss}\n optimizer sgd(lr = 0.1)\n}}\n"
        "block counted(x) {\n buffer seen: f32 = zeros()\n update seen = seen + 1\n return x * seen\n}"
    )
    told = [(w.spans[0].line, w.hint) for w in module.warnings if "training would change nothing" in w.message]
    assert [line for line, _ in told] == ([8] if hint else [])
    assert all(hint in found for _, found in told)


def test_cross_entropy_of_a_softmax_is_warned_of() -> None:
    module = load(
        "net n() {\n input x: f32[N, 4]\n output y = x -> dense(4) -> softmax\n}\n"
        "train {\n target label: i64[N]\n loss cross_entropy(y, label)\n optimizer sgd(lr = 0.1)\n}"
    )
    (warning,) = module.warnings
    assert (warning.spans[0].line, warning.hint) == (7, "give it what stands before softmax")
