"""netc: every verb, its exit status and what it writes where."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from netlang import __version__
from netlang.cli import graphs, main
from netlang.cli.arguments import byte_count
from netlang.ir.parse import parse_graph
from tests.nets import same_bits

NET = """
net mlp(hidden = 12) {
  input image: f32[N, 64]
  logits = image -> dense(hidden) -> relu -> dense(10)
  output probs = softmax(logits)
}

train {
  target label: i64[N]
  loss       cross_entropy(logits, label)
  metric     accuracy(logits, label)
  optimizer  sgd(lr = 0.1, momentum = 0.9)
  epochs     2
  batch      50
}
"""
CONVNET = """
net digits {
  input image: f32[N, 1, 8, 8]
  features = image -> conv(16, 3, pad = 1) -> batchnorm -> relu -> maxpool(2) -> flatten -> dropout(0.3)
  logits = features -> dense(10)
  output probs = softmax(logits)
}

train {
  target label: i64[N]
  loss       cross_entropy(logits, label)
  metric     accuracy(logits, label)
  optimizer  adam(lr = 0.01, schedule = plateau(patience = 0, factor = 0.5))
  augment    image -> random_shift(1)
  epochs     4
  batch      64
}
"""
COMMAND = [sys.executable, "-c", "import sys; from netlang.cli import main; sys.exit(main())"]


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a small net, in an empty working folder; everything runs on the reference backend."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETLANG_BACKEND", "reference")
    (tmp_path / "mlp.net").write_text(NET)
    return "mlp.net"


@pytest.fixture
def blobs(tmp_path: Path) -> str:
    """A data set that is learned at once."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 10, 600)
    image = (np.eye(10)[label] @ rng.normal(0, 1, (10, 64)) + rng.normal(0, 0.3, (600, 64))).astype(np.float32)
    np.savez(tmp_path / "blobs.npz", image=image, label=label)
    return "blobs.npz"


def table_of(text: str) -> dict[str, list[str]]:
    """The lines of a plain table by their first cell."""
    return {cells[0]: cells[1:] for cells in (line.split("  ") for line in text.splitlines()) if cells[0]}


def test_a_right_file_is_passed_over_in_silence(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", net]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_wrong_file_is_told_on_standard_error(tmp_path: Path, net: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wrong.net").write_text(NET.replace("dense(10)", "dens(10)"))
    assert main(["check", "wrong.net"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("wrong.net:4:") and "error:" in err and "did you mean" in err


def test_bytes_by_line(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", net, "--fits", "1GB"]) == 0
    out = capsys.readouterr().out
    assert "training with N = 50 on reference" in out and "mlp.net:4" in out
    weights = 4 * (64 * 12 + 12 + 12 * 10 + 10)
    total = out.splitlines()[-1].split()
    assert total[:3] == ["total", str(weights), str(50 * 64 * 4 + 50 * 8 + 4)]
    # Momentum for every weight, and the counter of the steps.
    assert int(total[5]) >= weights + 4
    exact = sum(map(int, total[1:]))
    assert main(["check", net, "--fits", str(exact)]) == 0
    assert main(["check", net, "--fits", str(exact - 1)]) == 2
    assert "training with N = 50 needs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"), [("512MB", 512_000_000), ("1.5GiB", 3 << 29), ("10", 10), ("4k", 4000), ("2 kib", 2048)]
)
def test_sizes(text: str, expected: int) -> None:
    assert byte_count(text) == expected


def test_summary(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", net, "--batch", "3"]) == 0
    out = capsys.readouterr().out
    total = next(line for line in out.splitlines() if line.startswith("total")).split()
    assert total[1] == "910" and "[3, 12]" in out
    assert out.startswith("mlp with N = 3") and "peak memory for inference" in out and "for training" in out
    assert "trained parameters" not in out


def test_summary_says_how_many_parameters_are_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "part.net").write_text(
        "net part() {\n  input x: f32[N, 4]\n  frozen mask: f32[4] = ones()\n  output y = x * mask -> dense(2)\n}\n"
    )
    assert main(["summary", str(tmp_path / "part.net")]) == 0
    out = capsys.readouterr().out
    total = next(line for line in out.splitlines() if line.startswith("total")).split()
    assert total[1] == "14" and "trained parameters: 10\n" in out


def test_symbolic_dims_that_are_not_the_batch(tmp_path: Path, net: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "blur.net").write_text("net blur() {\n  input x: f32[N, 1, H, W]\n  output y = x -> avgpool(2)\n}\n")
    assert main(["summary", "blur.net", "--size", "H=10"]) == 0
    out = capsys.readouterr().out
    assert "blur with N = 1, H = 10, W = 64" in out and "[1, 1, 5, 32]" in out
    assert main(["check", "blur.net", "--fits", "1MB", "--size", "T=3"]) == 2
    assert "has no symbolic dim 'T'" in capsys.readouterr().err


def test_ir_parses_back(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--after", "fuse"], ["--after", "all", "--train"], ["--train"], ["--spans"]):
        assert main(["ir", net, *arguments]) == 0
        text = capsys.readouterr().out
        graph = parse_graph(text)
        assert graph.name == "mlp" and bool(graph.updates) == ("--train" in arguments)
    assert main(["ir", net, "--after", "fuze"]) == 2
    assert "there is no pass 'fuze'" in capsys.readouterr().err


def test_grad(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grad", net]) == 0
    names = [name for name, _ in parse_graph(capsys.readouterr().out).outputs]
    assert names[:2] == ["loss", "accuracy"] and len([n for n in names if n.startswith("grad.")]) == 4


def test_verbs_that_need_a_train_section(tmp_path: Path, net: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plain.net").write_text(NET[: NET.index("train {")])
    for arguments in (["grad"], ["ir", "--train"], ["train"], ["eval", "--weights", "w"]):
        assert main([arguments[0], "plain.net", *arguments[1:]]) == 2
        assert "plain.net has no train section" in capsys.readouterr().err


def test_compile(tmp_path: Path, net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", net, "--batch", "8", "-o", "out.ir"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("mlp for reference: 3 kernels in ") and "parameters 3.6 kB" in out
    assert [name for name, _ in parse_graph((tmp_path / "out.ir").read_text()).outputs] == ["probs"]


@pytest.mark.parametrize(("target", "text"), [("refrence", "did you mean 'reference'?"), ("x", "targets are")])
def test_targets(
    net: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, target: str, text: str
) -> None:
    monkeypatch.delenv("NETLANG_BACKEND")
    assert main(["compile", net, "--target", target]) == 2
    assert text in capsys.readouterr().err


def test_train_eval_run(tmp_path: Path, net: str, blobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", net, "--data", blobs, "--seed", "3"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "compiling for reference"
    assert out[1] == "training on blobs.npz: 480 samples, 120 held out (every fifth sample), 2 epochs"
    assert out[2].startswith("epoch 1/2  loss ") and "samples/s" in out[2]
    records = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in records] == [1, 2] and records[-1]["test_accuracy"] > 0.9

    assert main(["eval", net, "--data", blobs, "--weights", "run/weights.safetensors"]) == 0
    out = capsys.readouterr().out.split()
    assert out[:4] == ["120", "samples", "of", "blobs.npz:"]
    assert float(out[out.index("accuracy") + 1]) == pytest.approx(records[-1]["test_accuracy"], abs=1e-3)

    images = np.load(tmp_path / blobs)["image"][:7]
    np.save(tmp_path / "x.npy", images)
    arguments = ["run", net, "--weights", "run/weights.safetensors", "--input", "x.npy", "--output"]
    assert main([*arguments, "y.npy"]) == 0 and main([*arguments, "y.npz"]) == 0
    probs = np.load(tmp_path / "y.npy")
    assert probs.shape == (7, 10) and np.allclose(probs.sum(axis=1), 1)
    assert np.array_equal(np.load(tmp_path / "y.npz")["probs"], probs)


def test_run_says_what_is_wrong(tmp_path: Path, net: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 63), np.float32))
    (tmp_path / "bad.npy").write_bytes(b"nonsense")
    main(["train", net, "--epochs", "0", "--data", "digits"])
    capsys.readouterr()
    weights = ["--weights", "run/weights.safetensors"]
    for arguments, text in [
        (["--input", "x.npy"], "give them with --weights"),
        ([*weights, "--input", "x.npy"], "input 'image': expected f32[N, 64], got f32[2, 63]"),
        ([*weights, "--input", "bad.npy"], "cannot read bad.npy"),
        ([*weights, "--input", "none.npy"], "cannot read none.npy"),
        (["--weights", "bad.npy", "--input", "x.npy"], "bad.npy is not a whole safetensors file"),
        (["--weights", "none", "--input", "x.npy"], "cannot read weights none: No such file"),
    ]:
        assert main(["run", net, *arguments, "--output", "y.npy"]) == 2
        assert text in capsys.readouterr().err
    assert not (tmp_path / "y.npy").exists()


def test_resume_says_what_differs(tmp_path: Path, net: str, blobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", net, "--data", blobs, "--epochs", "1"]) == 0
    assert main(["train", net, "--data", blobs, "--resume"]) == 0
    assert "resuming on blobs.npz" in capsys.readouterr().out
    (tmp_path / net).write_text(NET.replace("0.1,", "0.2,"))
    assert main(["train", net, "--data", blobs, "--resume"]) == 2
    assert "the .net file is not the one that the checkpoint was made with" in capsys.readouterr().err


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_killed_and_resumed_to_the_same_bits(
    tmp_path: Path, net: str, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.setenv("NETLANG_BACKEND", target)
    (tmp_path / net).write_text(CONVNET)
    common = ["train", net, "--data", "digits", "--epochs", "20"]
    assert main([*common, "--out", "whole"]) == 0
    process = start(*common, "--out", "killed", "--checkpoint-every", "1")
    wait_for(tmp_path / "killed" / "checkpoint.safetensors", process)
    process.kill()
    process.communicate()
    assert not (tmp_path / "killed" / "weights.safetensors").exists()
    assert main([*common, "--out", "killed", "--resume"]) == 0
    for name in ("weights.safetensors", "best.safetensors", "checkpoint.safetensors"):
        assert same_bits(load_file(tmp_path / "whole" / name), load_file(tmp_path / "killed" / name))


def test_threads_do_not_change_the_bits(tmp_path: Path, net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_BACKEND", "cpu")
    (tmp_path / net).write_text(CONVNET)
    for threads in ("1", "2"):
        assert main(["train", net, "--data", "digits", "--threads", threads, "--out", threads]) == 0
    a, b = (load_file(tmp_path / t / "checkpoint.safetensors") for t in ("1", "2"))
    assert same_bits(a, b)


def test_ctrl_c(tmp_path: Path, net: str, blobs: str) -> None:
    process = start("train", net, "--data", blobs, "--epochs", "100000", "--out", "out")
    wait_for(tmp_path / "out" / "checkpoint.safetensors", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "interrupted, checkpoint saved at out/checkpoint.safetensors\n"
    assert (tmp_path / "out" / "checkpoint.safetensors").exists()


def test_nobody_reads(net: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, "ir", net], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == 141 and done.stderr == ""


def test_an_internal_error_asks_to_be_reported(
    net: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **named: object) -> str:
        raise IndexError("tuple index out of range")

    monkeypatch.setattr(graphs, "print_graph", broken)
    assert main(["ir", net]) == 70
    err = capsys.readouterr().err
    assert "internal error: IndexError: tuple index out of range" in err and "NETLANG_TRACEBACK=1" in err
    assert "Traceback" not in err
    monkeypatch.setenv("NETLANG_TRACEBACK", "1")
    assert main(["ir", net]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["frobnicate"], ["check"], ["train", "a.net", "--epochs", "-1"], ["check", "a.net", "--fits", "big"]],
)
def test_wrong_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and "usage: netc" in capsys.readouterr().err


def test_env_and_version(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_DATA", "/somewhere")
    assert main(["env"]) == 0
    out = capsys.readouterr().out
    for name in ("NETLANG_BACKEND", "NETLANG_DUMP", "NETLANG_TIMING", "/somewhere", "numba", "targets"):
        assert name in out
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"netc {__version__}\n"


def test_a_variable_that_means_nothing(
    net: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETLANG_THREADS", "many")
    assert main(["compile", net]) == 2
    assert "NETLANG_THREADS is 'many'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["train", "--seed", "9" * 19], "999 is too large: the most is 2^63 - 1"),
        (["train", "--seed", "9" * 5000], "999 is too large: the most is 2^63 - 1"),
        (["train", "--epochs", "-1"], "'-1' is not a whole number from 0 on"),
        (["train", "--threads", "0"], "'0' is not a whole number from 1 on"),
        (["summary", "--size", "T"], "'T' is not a name and a number, such as T=64"),
        (["summary", "--size", "=4"], "'=4' is not a name and a number"),
    ],
)
def test_numbers_of_the_command_line(
    net: str, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([arguments[0], net, *arguments[1:]])
    assert stopped.value.code == 2 and text in capsys.readouterr().err


def test_the_train_section_is_of_one_net(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(net).write_text("net first { \n input x: f32[N]\n output y = x\n}\n" + NET)
    assert main(["ir", net, "--train", "--net", "mlp"]) == 0
    assert main(["ir", net, "--train", "--net", "first"]) == 2
    assert "the train section trains net 'mlp'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "text"),
    [(MemoryError(), "not enough memory"), (OSError(28, "No space left on device", "a/b"), "a/b: No space left")],
)
def test_what_the_machine_refuses(
    net: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    text: str,
) -> None:
    def refuse(*_: object) -> None:
        raise fault

    monkeypatch.setattr(graphs, "write", refuse)
    assert main(["ir", net]) == 2
    assert f"netc: error: {text}" in capsys.readouterr().err


def test_training_within_a_memory_budget(net: str, blobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", net, "--data", blobs, "--epochs", "1", "--memory"]
    assert main([*command, "1kB"]) == 2
    assert "a training step with N = 50 needs at least" in capsys.readouterr().err
    assert main([*command, "1GB"]) == 0
