"""Weights stored as halves: rounded once, to the nearest, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import netlang
from netlang.cli import main
from netlang.diagnostics import NetError
from netlang.runtime.artifact import open_artifact
from netlang.runtime.artifact.stored import HALVES, Weights, parameters
from netlang.runtime.model import Model
from tests.artifact.conftest import SMALL, model_of, write

KINDS = {"f16": np.float16, "bf16": ml_dtypes.bfloat16}
BITS = np.array(
    [0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF, 0x3F801000, 0x3F803000, 0x00000001, 0x80008001, 0x33000001],
    np.uint32,
)
"""Ties, what lies beside them, and numbers near 0 for both halves."""


def through(array: np.ndarray, to: str | None) -> np.ndarray:
    """An array as it is when a file is opened."""
    weights = Weights(to)
    place, stored = weights.add("w", array, "f32")
    half = [stored] if stored != "f32" else []
    return parameters({"w": ["f32", list(array.shape), place, *half]}, memoryview(weights.body().tobytes()))["w"]


@pytest.mark.parametrize("half", HALVES)
def test_rounding(half: str) -> None:
    special = np.array([np.inf, -np.inf, -0.0, 1e-40, 6e4, -1e-7], np.float32)
    array = np.concatenate([BITS.view("f4"), special, np.random.default_rng(0).normal(size=500).astype("f4")])[:, None]
    np.testing.assert_array_equal(through(array, half), array.astype(KINDS[half]).astype("f4"))
    array[0] = np.uint32(0x7F800001).view("f4")
    assert np.isnan(through(array, half)[0, 0])
    assert not through(array, half).flags.writeable


def test_vectors_and_other_types_stay() -> None:
    vector = np.float32([1.0001, 2.0003])
    assert np.array_equal(through(vector, "bf16"), vector)
    weights = Weights("bf16")
    assert weights.add("i", np.ones((2, 2), np.int64), "i64") == (0, "i64")
    assert weights.add("d", np.ones((2, 2)), "f64")[1] == "f64"


def test_what_a_half_cannot_have() -> None:
    with pytest.raises(NetError, match="'w' has the number 70000, which is too large for f16"):
        through(np.float32([[7e4]]), "f16")
    assert through(np.float32([[7e4]]), "bf16") == 70144
    with pytest.raises(NetError, match="too large for bf16"):
        through(np.float32([[3.4e38]]), "bf16")


@pytest.mark.parametrize("half", HALVES)
def test_a_net_with_rounded_weights(small: tuple[Model, Path], tmp_path: Path, half: str) -> None:
    """The same bits as the model gives whose weights were rounded before."""
    model = model_of(SMALL)
    for name, array in model.parameters.items():
        if array.ndim >= 2:
            model.parameters[name] = array.astype(KINDS[half]).astype("f4")
    image = np.random.default_rng(1).normal(size=(3, 3, 9, 9)).astype("f4")
    place = write(tmp_path / "n.netc", model_of(SMALL), store_as=half)
    loaded = netlang.load(place)
    assert np.array_equal(loaded(image), model(image))
    assert not np.array_equal(loaded(image), small[0](image))
    sizes = [open_artifact(path).members["weights"].size for path in (place, small[1])]
    assert sizes[0] < 0.6 * sizes[1]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(SMALL)
    model_of(SMALL).save_weights("w.safetensors")
    command = ["compile", "small.net", "--weights", "w.safetensors", "--arch", "x86-64-v2", "-o"]
    assert main([*command, "s.netc", "--store-as", "bfloat16"]) == 0
    assert main(["inspect", "s.netc"]) == 0
    assert "of which bf16" in capsys.readouterr().out
    for more, told in (
        (["s.netc", "--store-as", "bfloat"], "did you mean 'bfloat16'?"),
        (["s.txt", "--store-as", "float16"], "there are no weights to store"),
    ):
        assert main([*command, *more]) == 2
        assert told in capsys.readouterr().err


def test_what_learns_is_not_rounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(SMALL)
    assert main(["compile", "small.net", "-o", "s.netc", "--train", "--store-as", "float16"]) == 2
    assert "weights that are still to learn are not rounded" in capsys.readouterr().err
