"""The benchmarks: peers built from our graphs compute what we compute; the page is written from figures."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import cell, compare, plan, wanted
from benchmarks.cell import difference
from benchmarks.layers import layers
from benchmarks.networks import NETS, images, labels, load_net, make_model
from benchmarks.page import page
from netlang.cli.bench import turns, work
from netlang.frontend import load
from netlang.ir.graph import Graph

KINDS = {
    "lenet5": {"conv": 2, "dense": 3, "max_pool": 2, "flatten": 1, "relu": 4},
    "resnet50": {"conv": 53, "batchnorm": 53, "dense": 1, "add": 16, "global_average": 1},
    "densenet121": {"conv": 120, "batchnorm": 121, "concat": 58, "avg_pool": 3, "dense": 1},
    "googlenet": {"conv": 57, "concat": 9, "max_pool": 13},
    "alexnet": {"conv": 5, "dense": 3, "flatten": 1},
    "lstm": {"lstm": 1, "dense": 1, "input": 1},
}

SEQUENCE = """
net sequence(classes = 5) {
  input x: f32[N, 7, 6]
  _all, last, _memory = x -> lstm(9, states = true)
  output probs = last -> dense(classes) -> softmax
}
"""

MIXED = """
net mixed(classes = 5) {
  input image: f32[N, 3, 13, 11]
  stem = image -> conv(8, 3, stride = 2, pad = 1) -> relu
  left = stem -> conv(6, 1, bias = false) -> batchnorm -> relu
  right = stem -> avgpool(3, stride = 1, pad = 1) -> conv(6, 3, pad = 1, bias = false)
  joined = (left + right, stem) -> concat
  output probs = joined -> maxpool(3, stride = 2, pad = 1) -> global_avgpool -> dense(classes) -> softmax
}
"""


@pytest.mark.parametrize("name", KINDS)
def test_layers_of_the_nets(name: str) -> None:
    found = layers(load(NETS[name]).net.outputs[0][1])
    counts = {kind: sum(layer.kind == kind for layer in found) for kind in KINDS[name]}
    assert counts == KINDS[name]
    assert next(layer.kind for layer in found) == "input"
    assert found[-1].kind == "softmax"


def test_dropout_is_one_layer_in_training() -> None:
    spec = load_net("alexnet").train
    assert spec is not None
    logits = next(n for n in spec.graph.nodes if n.op == "cross_entropy").inputs[0]
    assert [layer.attrs["rate"] for layer in layers(logits) if layer.kind == "dropout"] == [0.5, 0.5]


def test_what_peers_lack_is_an_error() -> None:
    net = load("net odd {\n input x: f32[N, 4]\n output y = tanh(x)\n}").net
    with pytest.raises(ValueError, match="tanh"):
        layers(net.outputs[0][1])


def _torch(graph: Graph, params: Any, image: Any) -> Callable[[], Any]:
    peer = pytest.importorskip("benchmarks.peers.torch_peer", exc_type=ImportError)
    made: Callable[[], Any] = peer.inference(layers(graph.outputs[0][1]), params, image, "channels-last")
    return made


def _onnxruntime(graph: Graph, params: Any, image: Any) -> Callable[[], Any]:
    peer = pytest.importorskip("benchmarks.peers.onnx_peer", exc_type=ImportError)
    model = peer.export(layers(graph.outputs[0][1]), params, image.shape)
    made: Callable[[], Any] = peer.inference(model, image, 1)
    return made


def _openvino(graph: Graph, params: Any, image: Any) -> Callable[[], Any]:
    onnx = pytest.importorskip("benchmarks.peers.onnx_peer", exc_type=ImportError)
    peer = pytest.importorskip("benchmarks.peers.openvino_peer", exc_type=ImportError)
    model = onnx.export(layers(graph.outputs[0][1]), params, image.shape)
    made: Callable[[], Any] = peer.inference(model, image, 1)
    return made


def _ncnn(graph: Graph, params: Any, image: Any) -> Callable[[], Any]:
    """One image after the other: it has no batches."""
    peer = pytest.importorskip("benchmarks.peers.ncnn_peer", exc_type=ImportError)
    made = [peer.inference(layers(graph.outputs[0][1]), params, image[i : i + 1], 1) for i in range(len(image))]
    return lambda: np.concatenate([run() for run in made])


@pytest.mark.parametrize("peer", [_torch, _onnxruntime, _openvino, _ncnn])
def test_peers_compute_the_same(peer: Callable[..., Callable[[], Any]]) -> None:
    model = import_module("netlang").compile(MIXED, target="reference").init(3)
    random = np.random.default_rng(0)
    for name, array in model.parameters.items():
        # Statistics and scales that are not 0 and 1, so that mixing them up would show.
        model.parameters[name] = array + random.uniform(0.1, 0.3, array.shape).astype(np.float32)
    image = images(model, 3)
    assert difference(model(image), peer(model.net, model.parameters, image)()) < 1e-5


@pytest.mark.parametrize("peer", [_torch, _onnxruntime, _openvino, _ncnn])
def test_peers_have_the_same_recurrent_layer(peer: Callable[..., Callable[[], Any]]) -> None:
    model = import_module("netlang").compile(SEQUENCE, target="reference").init(3)
    x = images(model, 3)
    assert difference(model(x), peer(model.net, model.parameters, x)()) < 1e-5


@pytest.mark.parametrize("name", ["lenet5", "lstm"])
def test_torch_takes_the_same_training_steps(name: str) -> None:
    peer = pytest.importorskip("benchmarks.peers.torch_peer", exc_type=ImportError)
    model = make_model(name, 1, rate=0.05)
    spec = model.module.train
    assert spec is not None
    start = {name: np.array(array) for name, array in model.parameters.items()}
    image, label = images(model, 4), labels(model, 4)
    logits = next(n for n in spec.graph.nodes if n.op == "cross_entropy").inputs[0]
    step = peer.training(layers(logits), start, image, label, spec.optimizer.args, "plain")
    trainer = model.trainer(0)
    losses = [(trainer(image, label), step()) for _ in range(3)]
    assert losses[0][0] == pytest.approx(losses[0][1], rel=1e-5)
    assert all(own == pytest.approx(its, rel=1e-3) for own, its in losses)


def test_settled_nets_have_telling_outputs() -> None:
    model = make_model("lenet5", 1)
    probs = model(images(model, 2, seed=7))
    assert 0.2 <= probs.max() <= 0.5


def test_turns_call_everybody() -> None:
    calls: list[str] = []
    found = turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 0.01)
    assert set(found) == {"a", "b"} and all(times for times in found.values())
    assert calls[0] == "a" and calls.count("b") > len(found["b"])


def test_work_counts_multiply_adds() -> None:
    net = load("net one {\n input x: f32[N, 4]\n output y = x -> dense(3)\n}").net
    assert work(net, {"N": 5}) == 5 * 4 * 3


FIGURES = {"medians": {"netlang": 0.002, "torch": 0.005, "OpenVINO": 0.003}, "fastest": {"netlang": 0.002}}
CELL: dict[str, Any] = {**FIGURES, "madds": 10**9, "peak": 2e12, "memory": 1_500_000, "day": "2026-01-02", "load": 0.5}
CELL |= {"calls": {"netlang": 9, "torch": 7, "OpenVINO": 8}, "revision": "abc", "batch": 1, "took": 12.0}
GROWN = {"grown": 3_000_000, "at most": 4_000_000, "planned": 0}
FOUND: dict[str, Any] = {
    "cells": {
        "vgg16 inference 1 2": CELL,
        "resnet50 inference 1 2": {**CELL, "prepared": {"torch.compile": 21.4}},
        "alexnet inference 1 2": {"failed": "not done after 5 s", "day": "2026-01-02"},
    },
    "compile": {"vgg16": {"cold": 9.5, "warm": 0.25, "revision": ""}},
    "memory": {"vgg16": {"by": {"onnxruntime": GROWN}, "revision": ""}},
    "versions": {"numpy": "2"},
    "processor": "a processor",
    "cores": 2,
}


def test_the_page_shows_ratios_failures_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.page.texts", lambda: {"vgg16 inference 1": "The reason.\nAnd another."})
    text = page(FOUND)
    assert "| VGG-16 | **2** | 5 | 3 | 1.50 | 1.7 | – | 1000 | 50% | 1.5 MB | 7 | 0.5 | abc, older |" in text
    assert "- **VGG-16, inference, batch 1**: 1.50 of 1.7. The reason.\n  And another.\n" in text
    assert "**ResNet-50, inference" not in text
    assert "| VGG-16 | 9.50 | 0.25 | – |" in text
    assert "| VGG-16 | onnxruntime | 3.0 MB | 4.0 MB | – | – |" in text
    assert "`torch.compile` took 21 s for ResNet-50 (inference, batch 1, threads: 2)." in text
    assert "- alexnet inference 1 2: failed: not done after 5 s" in text
    assert "- inference, batch 1, threads: 2: LeNet-5, AlexNet, weights as bfloat16, GoogLeNet, DenseNet-121" in text


def test_rows_that_keep_their_aim_need_no_text() -> None:
    for heading in wanted.texts():
        row, mode, *batch = heading.split()
        assert row in wanted.WANTED and mode in plan.TIMED and batch in ([], ["1"], ["16"]), heading


def test_what_there_is_to_measure() -> None:
    names = plan.names()
    assert len(names) == len(set(names)) and names[0] == "lenet5 inference 1 2"
    assert "alexnet+bfloat16 inference 1 1" in names and "lenet5 training 32 2" in names
    assert not any("bfloat16 training" in name for name in names)
    some = plan.chosen(names, ["resnet50 training", "lenet5 compile", "googlenet inference 16 1"])
    assert some == [
        "resnet50 training 16 2",
        "googlenet inference 16 1",
        "resnet50 training 16 1",
        "lenet5 compile",
    ]
    assert plan.chosen(names, []) == names and plan.chosen(names, ["compile lenet5"]) == []


def test_states_of_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan.state(FOUND, "lenet5 compile") == "missing"
    assert plan.state(FOUND, "alexnet inference 1 2") == "failed: not done after 5 s"
    assert plan.state(FOUND, "vgg16 inference 1 2") == "stale (measured at abc)"
    assert plan.state(FOUND, "vgg16 memory") == "stale (measured at an unknown commit)"
    monkeypatch.setattr(plan, "is_current", lambda commit: commit == "abc")
    assert plan.state(FOUND, "vgg16 inference 1 2") == ""


def test_a_failure_replaces_no_figures() -> None:
    found = {"cells": {"vgg16 inference 1 2": CELL}}
    compare.keep(found, "vgg16 inference 1 2", {"failed": "crashed"})
    assert found["cells"]["vgg16 inference 1 2"] is CELL
    compare.keep(found, "vgg16 inference 1 1", {"failed": "crashed"})
    compare.keep(found, "vgg16 inference 1 1", {"failed": "crashed again"})
    assert found["cells"]["vgg16 inference 1 1"]["failed"] == "crashed again"


def test_peers_that_cannot_be_measured_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell, "find_spec", lambda name: None if name == "openvino" else name)
    monkeypatch.setattr(cell.shutil, "which", lambda name: None)
    made = cell.Cell("lenet5", "inference", 16, 1)
    assert cell.usable(made, cell.INFERENCE) == ("torch", "torch channels-last", "torch frozen", "onnxruntime")
    assert made.skipped == {
        "torch.compile": "there is no C++ compiler",
        "onnxruntime no spinning": "one thread waits for nobody",
        "OpenVINO": "openvino is not installed",
        "ncnn": "it takes one image at a time",
    }


def test_time_is_not_begun_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured in an order, written after each, with figures of the last run as expectation."""
    done: list[str] = []

    def measured(name: str, options: Any) -> dict[str, Any]:
        done.append(name)
        return {"cold": 1.0, "warm": 0.5, "day": "2026-01-02", "revision": "abc", "took": 500.0}

    monkeypatch.setattr(compare, "measured", measured)
    command = ["compare", "lenet5", "vgg16", "--modes", "compile", "--minutes", "5", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", command)
    compare.main()
    assert done == ["lenet5 compile"]
    assert compare.figures(tmp_path)["compile"]["lenet5"]["cold"] == 1.0
    assert "| LeNet-5 | 1.00 | 0.50 |" in (tmp_path / "benchmarks.md").read_text()
