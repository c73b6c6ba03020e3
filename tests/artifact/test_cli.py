"""netc compile -o model.netc and netc inspect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netlang
from netlang.cli import main
from netlang.runtime.artifact import write_artifact
from tests.artifact.conftest import BEST, SMALL, model_of
from tests.artifact.test_steps import IMAGE, LABEL, NET


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with `small.net` and its weights, where commands are carried out."""
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(SMALL)
    model_of(SMALL).save_weights("w.safetensors")
    return tmp_path


def test_compile_and_inspect(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compile", "small.net", "--weights", "w.safetensors", "-o", "small.netc", "--arch", BEST[0]]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert told.startswith("small for cpu in ") and "small.netc: " in told
    image = np.ones((2, 3, 9, 9), np.float32)
    np.testing.assert_array_equal(netlang.load("small.netc")(image), model_of(SMALL)(image))
    assert main(["inspect", "small.netc"]) == 0
    told = capsys.readouterr().out
    for part in ("made by netlang", "image f32[N, 3, 9, 9]", "probs f32[N, 5]", f"code/{BEST[0]}", "memset", "SHA-256"):
        assert part in told
    assert main(["inspect", "--source", "small.netc"]) == 0
    assert capsys.readouterr().out == SMALL


def test_compile_with_the_training_step(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without weights it begins where the seed says."""
    Path("learn.net").write_text(NET)
    assert main(["compile", "learn.net", "--train", "--seed", "3", "-o", "n.netc", "--arch", BEST[0]]) == 0
    assert capsys.readouterr().out.startswith("small, step of small for cpu in ")
    trainer, loaded = netlang.compile(NET).trainer(3), netlang.load("n.netc")
    assert loaded.step(image=IMAGE, label=LABEL) == trainer(image=IMAGE, label=LABEL)
    assert main(["inspect", "n.netc"]) == 0
    told = capsys.readouterr().out
    sizes = ("8 of 1.7 kB", "13 of 3.2 kB")
    for part in ("label i64[N]", "loss, accuracy", *sizes, "it changes ", "conv1.weight", "seed 3", f"step:/{BEST[0]}"):
        assert part in told


def test_faults(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, told in (
        (["compile", "small.net", "-o", "x.netc"], "net 'small' has weights to load"),
        (["compile", "small.net", "--weights", "no", "-o", "x.netc"], "cannot read weights no"),
        (
            ["compile", "small.net", "--weights", "w.safetensors", "-o", "x.netc", "--arch", "x86-64-v33"],
            "there is no kind of processor 'x86-64-v33'\n  hint: did you mean",
        ),
        (["compile", "small.net", "--weights", "w.safetensors", "-o", "x.netc", "--also", "big"], "has no net 'big'"),
        (["compile", "small.net", "--train", "-o", "x.netc"], "small.net has no train section"),
        (["compile", "small.net", "--seed", "3", "-o", "x.netc", "--weights", "w.safetensors"], "hint: add --train"),
        (["compile", "small.net", "--train"], "--train is for files that need no compiler"),
        (["inspect", "x.netc"], "cannot read x.netc"),
        (["inspect", "small.net"], "small.net is no compiled network"),
    ):
        assert main(command) == 2
        assert told in capsys.readouterr().err
    assert not Path("x.netc").exists()


def test_a_file_that_makes_no_sense(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in (
        {"nets": {"n": {}}},
        {"nets": 3},
        {"levels": [{}]},
        {"source": 1},
        {"nets": {"n": {"inputs": [1]}}},
    ):
        write_artifact("g.netc", {"target": "cpu", **content}, {})
        assert main(["inspect", "g.netc"]) == 2
        assert "g.netc is damaged" in capsys.readouterr().err


def test_a_file_of_another_target(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_artifact("g.netc", {"target": "cuda", "net": "n"}, {"cuda/sm_90/conv": b"cubin"})
    assert main(["inspect", "g.netc"]) == 0
    assert "cuda/sm_90/conv" in capsys.readouterr().out
    assert main(["inspect", "g.netc", "--source"]) == 2
