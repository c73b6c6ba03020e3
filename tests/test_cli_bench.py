"""netc bench: a line for each batch and mode, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlang.cli import main

NET = """
net small(hidden = 4) {
  input image: f32[N, 6]
  logits = image -> dense(hidden) -> relu -> dense(3)
  output probs = softmax(logits)
}
"""
TRAIN = """
train {
  target label: i64[N]
  loss       cross_entropy(logits, label)
  optimizer  sgd(lr = 0.1)
}
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "small.net"
    path.write_text(NET + TRAIN)
    return path


def test_inference_and_training(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(net), "--train", "--seconds", "0.01", "--threads", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["inference", "training", "inference", "training"]
    assert "GFLOP/s" in lines[1] and "working memory" in lines[1]


def test_one_batch(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(net), "--batch", "3", "--seconds", "0.01", "--threads", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[2].split()[:2] == ["inference", "3"]


def test_nothing_to_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bare.net"
    path.write_text(NET)
    assert main(["bench", str(path), "--train"]) == 2
    assert "no train section" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "soon"])
def test_seconds_must_be_a_time(net: Path, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", str(net), "--seconds", seconds])
    assert stopped.value.code == 2 and "number of seconds" in capsys.readouterr().err
