"""netc profile: layers by line, as a table, a picture, and JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from netlang.cli import main
from netlang.cli.output import bar
from netlang.cli.profile import layers, time_text

NET = """
net digits {
  input image: f32[N, 1, 8, 8]
  features = image -> conv(16, 3, pad = 1) -> relu -> maxpool(2) -> flatten
  logits = features -> dense(10)
  output probs = softmax(logits)
}

train {
  target label: i64[N]
  loss       cross_entropy(logits, label)
  optimizer  sgd(lr = 0.1, momentum = 0.9)
  batch      8
}
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NETLANG_BACKEND", raising=False)
    (tmp_path / "digits.net").write_text(NET)
    return "digits.net"


def test_a_table_and_a_picture(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", net, "--batch", "3", "--threads", "1", "--calls", "3"]) == 0
    told = capsys.readouterr().out
    assert "digits with N = 3, 1 thread, medians of 3 calls" in told
    row = next(line for line in told.splitlines() if line.startswith("conv1"))
    assert re.search(r"digits\.net:4 .*direct 1x\d+x\d+ .* us .*%.* kB", row)
    assert re.search(r"^conv1 +[█#]", told, re.MULTILINE)
    assert re.search(r"a call takes \d+\.\d us, \d+\.\d us of it outside the kernels", told)
    assert re.search(r"peak of 1 thread: \d+ GF/s", told)


def test_json(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", net, "--calls", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["net"], told["sizes"], told["calls"]) == ("digits", {"N": 1}, 2)
    assert [layer["name"] for layer in told["layers"]] == ["conv1", "dense1", "softmax1"]
    conv = told["layers"][0]
    assert conv["flops"] == 2 * 16 * 64 * 9
    assert conv["bytes"] >= 4 * (64 + 16 * 16)
    assert told["inside"] == pytest.approx(sum(layer["seconds"] for layer in told["layers"]))
    assert told["call"] > 0 and told["peak"] > 0


def test_a_training_step(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", net, "--train", "--calls", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sizes"] == {"N": 8}
    assert {layer["phase"] for layer in told["layers"]} == {"forward", "backward", "update"}
    assert {("conv1", "update"), ("dense1", "update")} <= {(x["name"], x["phase"]) for x in told["layers"]}


def test_loops_tell_how_often_a_kernel_is_carried_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = """
        net words {
          input x: f32[N, 9, 12]
          _all, last, _memory = x -> lstm(16, states = true)
          output logits = last -> dense(3)
        }
        train {
          target label: i64[N]
          loss      cross_entropy(logits, label)
          optimizer sgd(lr = 0.1)
          batch     4
        }"""
    (tmp_path / "words.net").write_text(text)
    assert main(["profile", str(tmp_path / "words.net"), "--train", "--calls", "2", "--json"]) == 0
    found = {(x["name"], x["phase"]): x for x in json.loads(capsys.readouterr().out)["layers"]}
    forward, backward = found["lstm1", "forward"], found["lstm1", "backward"]
    for found_there in (forward, backward):
        assert any(kernel.startswith("9 x cell") for kernel in found_there["kernels"])
    assert forward["flops"] == 2 * 9 * 4 * 16 * 64


def test_a_target_that_cannot(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", net, "--target", "reference"]) == 2
    assert "target 'reference' cannot time single steps" in capsys.readouterr().err


def test_training_needs_a_train_section(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text(NET.partition("train {")[0])
    assert main(["profile", net, "--train"]) == 2
    assert "no train section" in capsys.readouterr().err


def test_no_steps_no_layers() -> None:
    assert layers([], {}) == []


def test_bars_and_times() -> None:
    assert bar(1.0, 4) in ("████", "####")
    assert bar(0.0, 4) == ""
    assert bar(0.5, 4) in ("██", "##")
    assert time_text(12.34e-6) == "12.3 us"
    assert time_text(0.0123) == "12.30 ms"
    assert time_text(2.5) == "2.50 s"
