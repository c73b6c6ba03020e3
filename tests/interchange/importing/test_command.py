"""`netc import`: what it writes and what it tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netlang
from netlang.cli import main
from tests.interchange.importing.round_trip import exported, module_of, random_weights

pytest.importorskip("onnx")

TEXT = """\
net small {
  input x: f32[N, 3, 8, 8]
  output y = x -> repeat(3, conv(3, 3, pad = 1) -> batchnorm -> relu) -> global_avgpool -> dense(5)
}
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    module = module_of(TEXT)
    return exported(module, random_weights(module), tmp_path / "small.onnx")


def test_the_net_its_weights_and_what_is_told(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(model)]) == 0
    net, weights = model.with_suffix(".net"), model.with_suffix(".safetensors")
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{net}: {len(net.read_text().splitlines())} lines, 0 blocks, from ")
    assert told[1] == f"{weights}: 308 numbers in 20 arrays, 1.2 kB"
    assert told[2:] == ["input  x: f32[N, 3, 8, 8]", "output y: f32[N, 5]"]
    x = np.ones((2, 3, 8, 8), np.float32)
    assert netlang.compile(net, target="reference").load_weights(weights)(x).shape == (2, 5)


def test_flat_a_batch_and_other_places(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, weights = tmp_path / "other.net", tmp_path / "kept.safetensors"
    command = ["import", str(model), "-o", str(net), "--weights", str(weights), "--flat", "--batch", "4"]
    assert main(command) == 0
    assert "f32[4, 3, 8, 8]" in capsys.readouterr().out
    assert len(net.read_text().splitlines()) > 12
    assert weights.exists()


def test_a_size_that_no_input_has(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(model), "--size", "M=4"]) == 2
    assert "the inputs have no size 'M'\n  hint: it has N" in capsys.readouterr().err
