"""Whole nets as ONNX files: what they compute, what things are called, what the command says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import netlang
from netlang.backends.reference import evaluate
from netlang.cli import main
from netlang.frontend import load
from netlang.interchange.exporting.api import OPSETS, onnx_model
from netlang.interchange.exporting.translation import Translation
from netlang.interchange.exporting.writing import write
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.types import DType, TensorType
from netlang.runtime.samples import initial_params, random_inputs
from tests.interchange.exporting.running import carried_out, close, exported
from tests.nets import span

NET = """
net small(classes = 10) {
  input image: f32[N, 3, H, W]
  frozen gains: f32[1, 3, 1, 1] = [[[0.5]], [[1]], [[2]]]
  h = image * gains -> conv(8, 3, pad = same) -> batchnorm -> relu
  a, b = h -> maxpool(2, ceil_mode = true) -> split(2)
  both = (a, b -> sigmoid) -> concat
  features = both -> conv(6, 3, stride = 2, bias = false) -> global_avgpool
  logits = features -> dense(classes)
  output probs = softmax(logits)
  output features
}
"""


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node if node.op_type != "Constant"]


def test_a_net_of_layers_is_written_as_onnx_would_say_it() -> None:
    module = load(NET)
    params = dict(initial_params(module.net))
    model = onnx_model(module, "small", params)
    onnx.checker.check_model(model, full_check=True)
    assert kinds(model) == [
        *("Mul", "Conv", "BatchNormalization", "Relu", "MaxPool", "Split", "Sigmoid", "Concat", "Conv"),
        *("GlobalAveragePool", "Flatten", "Gemm", "Softmax"),
    ]
    inputs = random_inputs(module.net, {"N": 2, "H": 11, "W": 8})
    got = carried_out(model, inputs)
    for name, wanted in evaluate(module.net, inputs, params)[0].items():
        close(got[name], wanted, name)


def test_names_of_the_body_are_names_of_values_and_no_others_are() -> None:
    module = load(NET)
    model = onnx_model(module, "small", dict(initial_params(module.net)))
    made = {name for node in model.graph.node for name in node.output}
    bound = {"gains", "h", "a", "b", "both", "features", "logits", "probs"}
    assert bound <= made
    assert all("/" in name for name in made - bound)
    assert [i.name for i in model.graph.input] == ["image"]
    weights = {p.node.name for p in module.net.params if p.node.attrs["role"] != "frozen"}
    assert {i.name for i in model.graph.initializer} == weights
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == ["N", 3, "H", "W"]


def test_a_bias_whose_product_has_a_name_stays_beside_it() -> None:
    text = "net n {\n  input x: f32[N, 4]\n  param w: f32[3, 4] = ones()\n  param b: f32[3] = ones()\n"
    text += "  h = matmul(x, w, transpose_b = true)\n  output y = h + b\n}\n"
    module = load(text)
    model = onnx_model(module, "n", dict(initial_params(module.net)))
    assert kinds(model) == ["Gemm", "Add"]
    assert [node.output[0] for node in model.graph.node] == ["h", "y"]


def test_outputs_that_are_inputs_or_twice_the_same_are_copied() -> None:
    module = load("net n {\n  input x: f32[N, 4]\n  output same = x\n  output y = relu(x)\n  output z = y\n}\n")
    model = onnx_model(module, "n", {})
    x = np.array([[-1, 2, -3, 4]], np.float32)
    got = carried_out(model, {"x": x})
    onnx.checker.check_model(model, full_check=True)
    for name, wanted in (("same", x), ("y", np.maximum(x, 0)), ("z", np.maximum(x, 0))):
        close(got[name], wanted, name)


@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset_computes_the_same(opset: int) -> None:
    text = "net n {\n  input x: f32[N, 8]\n  a = gelu(x)\n  b = gelu(x, approximate = true)\n"
    module = load(text + "  output y = (a, b) -> concat -> layernorm -> dense(4)\n}\n")
    params, inputs = dict(initial_params(module.net)), random_inputs(module.net, {"N": 3})
    model = onnx_model(module, "n", params, opset)
    onnx.checker.check_model(model, full_check=True)
    close(carried_out(model, inputs)["y"], evaluate(module.net, inputs, params)[0]["y"], "y")


def test_what_onnx_cannot_say_is_listed_with_its_places() -> None:
    def unsaid(line: int, *inputs: Value) -> Value:
        return Node("layout", inputs, {"to": ""}, (inputs[0].type,), (span(line),)).out

    x = Builder().input("x", TensorType(DType.F32, (2, 3)))
    y = unsaid(7, Builder().op("relu", unsaid(3, x)))
    with pytest.raises(netlang.NetError) as caught:
        exported(Graph("n", (x,), (), (("y", y),)))
    text = str(caught.value)
    assert "lenet5.net:3:3: error: 'layout' cannot be exported to ONNX" in text
    assert "lenet5.net:7:3: error: 'layout'" in text


def test_weights_too_large_for_the_file_lie_beside_it(tmp_path: Path) -> None:
    module = load(NET)
    params, inputs = dict(initial_params(module.net)), random_inputs(module.net, {"N": 1, "H": 9, "W": 9})
    wanted, path = carried_out(onnx_model(module, "small", params), inputs), tmp_path / "small.onnx"
    translation = Translation(module.net, {}, params, OPSETS[0])
    size = write(translation.model(), translation.weights, path, most=100)
    assert size == path.stat().st_size + (tmp_path / "small.onnx.data").stat().st_size
    onnx.checker.check_model(str(path), full_check=True)
    for name, got in carried_out(str(path), inputs).items():
        np.testing.assert_array_equal(got, wanted[name])


def test_a_model_is_exported_as_it_is(tmp_path: Path) -> None:
    model = netlang.compile(NET, target="reference")
    with pytest.raises(netlang.NetError, match="no weights to export"):
        netlang.export_onnx(model, tmp_path / "small.onnx")
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    wanted = model.init(seed=3)(x)
    assert netlang.export_onnx(model, tmp_path / "small.onnx") == (tmp_path / "small.onnx").stat().st_size
    for name, got in carried_out(str(tmp_path / "small.onnx"), {"image": x}).items():
        close(got, wanted[name], name)


def test_the_command_writes_a_net_with_its_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, weights, path = tmp_path / "small.net", tmp_path / "small.safetensors", tmp_path / "small.onnx"
    source.write_text(NET)
    assert main(["export", str(source), "-o", str(path)]) == 2
    assert "give them with --weights FILE" in capsys.readouterr().err
    netlang.compile(source, target="reference", arguments={"classes": 4}).init(seed=1).save_weights(weights)
    command = ["export", str(source), "--weights", str(weights), "-o", str(path), "--set", "classes=4"]
    assert main([*command, "--opset", "19"]) == 0
    assert "small as ONNX, opset 19" in capsys.readouterr().out
    assert main([*command, "--net", "large"]) == 2
    assert onnx.load(path).opset_import[0].version == 19


def test_indices_from_the_end_are_those_of_onnx() -> None:
    text = "net n {\n  input i: i64[N]\n  input x: f32[N, 6]\n  output a = i -> from_end(5) -> embedding(5, 3)\n"
    text += "  output b = take_along(x, reshape(i -> from_end(6), [i.shape[0], 1]))\n"
    module = load(text + "  output c = take_along(x, from_end(reshape(i, [i.shape[0], 1]), 6))\n}\n")
    params = dict(initial_params(module.net))
    model = onnx_model(module, "n", params)
    assert kinds(model).count("Where") == 1  # that of b, which is reshaped before it is used
    inputs = {"i": np.array([-5, 4, 0, -1]), "x": np.arange(24, dtype=np.float32).reshape(4, 6)}
    got = carried_out(model, inputs)
    for name, wanted in evaluate(module.net, inputs, params)[0].items():
        close(got[name], wanted, name)


def test_sizes_that_are_known_only_in_a_call() -> None:
    text = """
net n {
  input x: f32[N, 4, H, W]
  input y: f32[N, T]
  output a = x -> maxpool(3, stride = 2, pad = 1, ceil_mode = true)
  output b = x -> avgpool(3, stride = 2, ceil_mode = true)
  output c = x -> sumpool(3, stride = 2, pad = 1, ceil_mode = true)
  output d = x -> l2pool(2, ceil_mode = true)
  output e = x -> avgpool(3, stride = 2, pad = 1, ceil_mode = true, count_include_pad = false)
  output rows = reshape(transpose(x, [0, 2, 3, 1]), [x.shape[0] * x.shape[2], x.shape[3], 4])
  output ends = slice(x, 2, 0, x.shape[2] // 2) -> slice(3, 1, (x.shape[3] - 3) // 2 + 2)
  output wide = pad(y, [[0, 0], [1, 2]], axes = [0, 1]) * x.shape[3] + arange(y.shape[1] + 3, f32)
  output near = x -> upsample(2)
  output smooth = x -> upsample(size = [7, 9], mode = bilinear)
  output odd = x -> upsample(size = [7, 9])
  output back = convolve_transposed(x, tensor([[[[1, 2]]], [[[3, 4]]], [[[5, 6]]], [[[7, 8]]]]), stride = 2)
}
"""
    module = load(text)
    model = onnx_model(module, "n", {})
    onnx.checker.check_model(model, full_check=True)
    for sizes in (
        {"N": 2, "H": 7, "W": 8, "T": 3},
        {"N": 1, "H": 6, "W": 5, "T": 1},
        {"N": 3, "H": 8, "W": 11, "T": 2},
    ):
        inputs = random_inputs(module.net, sizes)
        got = carried_out(model, inputs)
        for name, wanted in evaluate(module.net, inputs, {})[0].items():
            close(got[name], wanted, f"{name} with {sizes}")


def test_what_picks_by_small_integers_picks_by_those_of_onnx() -> None:
    """Places of maxima are looked up by the numbers of windows' taps, which are bytes."""
    body = "  y, s = x -> maxpool_with_places(3, 2)\n  output y\n  output s\n"
    module = load("net n() {\n  input x: f32[N, 2, 7, 6]\n" + body + "}\n")
    inputs = random_inputs(module.net, {"N": 2})
    got = carried_out(onnx_model(module, "n", {}), inputs)
    for name, wanted in evaluate(module.net, inputs, {})[0].items():
        np.testing.assert_array_equal(got[name], wanted)


def test_one_hot_numbers_are_one_operator() -> None:
    text = "net n {\n  input i: i64[N, 3]\n  output a = i -> one_hot_values(5)\n"
    text += "  output b = i -> one_hot_values(3, axis = 1, on = 2, off = -1)\n"
    module = load(text + "  output c = i -> one_hot_values(4, axis = 0, dtype = i64)\n}\n")
    model = onnx_model(module, "n", {})
    onnx.checker.check_model(model, full_check=True)
    assert kinds(model) == ["OneHot"] * 3
    inputs = {"i": np.array([[0, 4, -1], [2, -3, 1]])}
    got = carried_out(model, inputs)
    for name, wanted in evaluate(module.net, inputs, {})[0].items():
        close(got[name], wanted, name)


def test_choices_that_are_no_one_hot_numbers_stay_choices() -> None:
    text = "net n {\n  input i: i64[N, 3]\n  output a = where(i == reshape(arange(3), [1, 3]), scalar(1, f32), 0)\n"
    text += "  output b = where(reshape(i, [i.shape[0], 3, 1]) == arange(4), scalar(1, f32), 0)\n"
    text += "  output c = where(reshape(i -> from_end(3), [i.shape[0] * 3]) == arange(1), scalar(2, f32), 0)\n"
    module = load(text + "  output d = where(reshape(arange(2), [2, 1, 1]) == i, scalar(1, f32), 0)\n}\n")
    model = onnx_model(module, "n", {})
    assert "OneHot" not in kinds(model)
    inputs = {"i": np.array([[0, 2, -1], [1, -3, 1]])}
    got = carried_out(model, inputs)
    for name, wanted in evaluate(module.net, inputs, {})[0].items():
        close(got[name], wanted, name)
