"""netc weights, and --map and --partial wherever weights are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from netlang.cli import main

NET = "net n { input x: f32[N, 4]\n output y = x -> dense(2) }\n"
TRAIN = (
    NET + "train { target t: f32[N, 2]\n loss mean_squared_error(y, t)\n optimizer sgd(lr = 0.1)\n epochs 1\n batch 2 }"
)
WEIGHTS = {"fc.weight": np.arange(8, dtype=np.float32).reshape(2, 4), "fc.bias": np.ones(2, np.float32)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.net").write_text(NET)
    save_file(WEIGHTS, "w.safetensors")
    save_file({**WEIGHTS, "fc.bias": np.zeros(2, np.float32), "extra": np.ones(1)}, "v.safetensors")
    (tmp_path / "fc.map").write_text("fc.* -> dense1.*\n")
    np.save("x.npy", np.ones((1, 4), np.float32))
    return tmp_path


def test_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "w.safetensors"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["tensor", "type", "shape", "elements", "bytes"]
    assert lines[3].split() == ["fc.weight", "f32", "[2,", "4]", "8", "32", "B"]
    assert lines[-1].split() == ["2", "in", "all", "10", "40", "B"]
    assert main(["weights", "list", "w.safetensors", "--statistics"]) == 0
    assert capsys.readouterr().out.splitlines()[3].split()[-4:] == ["0", "3.5", "7", "11.83"]


def test_diff(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "diff", "w.safetensors", "w.safetensors"]) == 0
    assert "2 tensors, all the same" in capsys.readouterr().out
    assert main(["weights", "diff", "w.safetensors", "v.safetensors"]) == 1
    told = capsys.readouterr().out
    assert "extra" in told and "2 of 3 tensors differ" in told and "fc.weight" not in told
    save_file({n: a * 1.001 for n, a in WEIGHTS.items()}, "u.safetensors")
    assert main(["weights", "diff", "w.safetensors", "u.safetensors"]) == 1
    assert main(["weights", "diff", "w.safetensors", "u.safetensors", "--rtol", "0.01"]) == 0
    assert main(["weights", "diff", "w.safetensors", "u.safetensors", "--atol", "0.1"]) == 0
    assert main(["weights", "diff", "w.safetensors", "missing"]) == 2
    with pytest.raises(SystemExit):
        main(["weights", "diff", "w.safetensors", "u.safetensors", "--atol", "-1"])


def test_convert(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert = ["weights", "convert", "w.safetensors", "-o", "o.safetensors"]
    assert main([*convert, "--map", "fc.map", "--for", "n.net"]) == 0
    assert "tensors taken: 2, under other names: 2" in capsys.readouterr().out
    assert np.array_equal(load_file("o.safetensors")["dense1.weight"], WEIGHTS["fc.weight"])
    assert main([*convert, "--for", "n.net"]) == 2
    assert "lacks the tensor 'dense1.weight'" in capsys.readouterr().err
    assert main([*convert, "--for", "n.net", "--by-order"]) == 0
    assert "guessed by order and shape: 2" in capsys.readouterr().out
    assert main([*convert, "--as", "f16"]) == 0
    assert load_file("o.safetensors")["fc.bias"].dtype == np.float16
    for wrong in (["--partial"], ["--by-order"], ["--net", "n"]):
        assert main([*convert, *wrong]) == 2
        assert "add --for" in capsys.readouterr().err
    assert main(["weights", "convert", "w.safetensors", "-o", "o.npz"]) == 2
    Path("bad.map").write_text("fc.weight => x\n")
    assert main([*convert, "--map", "bad.map"]) == 2
    assert "bad.map:1:1: error" in capsys.readouterr().err


def test_run_with_a_table_and_a_part(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "n.net", "--target", "reference", "--input", "x.npy", "--output", "y.npy"]
    assert main([*run, "--weights", "w.safetensors", "--map", "fc.map"]) == 0
    assert np.load("y.npy").tolist() == [[7, 23]] and "tensors taken: 2" in capsys.readouterr().err
    assert main([*run, "--weights", "v.safetensors", "--map", "fc.map"]) == 2
    assert "'extra'" in capsys.readouterr().err
    assert main([*run, "--weights", "v.safetensors", "--map", "fc.map", "--partial"]) == 0
    assert np.load("y.npy").tolist() == [[6, 22]]
    assert "extra: the net has no 'extra'" in capsys.readouterr().err
    assert main([*run, "--map", "fc.map"]) == 2
    assert "add --weights FILE" in capsys.readouterr().err


def test_export_with_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx")
    assert main(["export", "n.net", "--weights", "w.safetensors", "--map", "fc.map", "-o", "n.onnx"]) == 0
    assert "tensors taken: 2" in capsys.readouterr().err
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load("n.onnx").graph.initializer}
    assert np.array_equal(arrays["dense1.weight"], WEIGHTS["fc.weight"])


def test_train_begins_with_what_a_file_has(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.net").write_text(TRAIN)
    save_file({"fc.weight": WEIGHTS["fc.weight"]}, "p.safetensors")
    np.savez("data.npz", x=np.zeros((4, 4), np.float32), t=np.zeros((4, 2), np.float32))
    train = ["train", "t.net", "--target", "reference", "--data", "data.npz", "--weights", "p.safetensors"]
    assert main([*train, "--map", "fc.map"]) == 2
    assert main([*train, "--map", "fc.map", "--partial"]) == 0
    assert "not in the file: 1" in capsys.readouterr().err
    # Inputs of zero leave the weights where they were.
    assert np.array_equal(load_file("run/weights.safetensors")["dense1.weight"], WEIGHTS["fc.weight"])
