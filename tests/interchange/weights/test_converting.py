"""Files of weights as others: for another net, with other names, of other types."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from netlang.diagnostics import NetError, Source
from netlang.interchange.weights.converting import convert
from netlang.runtime.mapping.fitting import Demands
from netlang.runtime.mapping.stored import open_stored
from netlang.runtime.mapping.table import Table, parse_table
from netlang.runtime.tensor_file import Wanted, open_tensors

ARRAYS = {"a.w": np.arange(6, dtype=np.float32).reshape(2, 3), "a.b": np.ones(2, np.float32), "n": np.arange(3)}


def table(text: str) -> Table:
    return parse_table(Source("t.map", text))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_file(ARRAYS, tmp_path / "in", metadata={"format": "pt", "netlang": "{}"})
    return tmp_path / "in"


def test_names_axes_and_types(path: Path, tmp_path: Path) -> None:
    rules = table("a.w -> b.w transpose\ndrop n\nnever -> x")
    report = convert(open_stored(path), tmp_path / "out", rules, floats="bf16")
    found = load_file(tmp_path / "out")
    assert set(found) == {"b.w", "a.b"} and found["b.w"].dtype == ml_dtypes.bfloat16
    assert np.array_equal(found["b.w"].astype(np.float32), ARRAYS["a.w"].T)
    assert report.left == {"n": "line 2 of the table drops it"} and report.idle == ("line 3: never -> x",)
    assert open_tensors(tmp_path / "out").metadata == {"format": "pt"}


def test_for_a_net(path: Path, tmp_path: Path) -> None:
    wanted = {"a.w": Wanted("f64", (2, 3)), "a.b": Wanted("f32", (2,)), "c": Wanted("f32", (1,))}
    with pytest.raises(NetError, match="lacks the tensor 'c'") as fault:
        convert(open_stored(path), tmp_path / "out", wanted=wanted)
    assert "a tensor 'n' that the net does not" in str(fault.value) and not (tmp_path / "out").exists()
    report = convert(open_stored(path), tmp_path / "out", wanted=wanted, demands=Demands(partial=True))
    found = load_file(tmp_path / "out")
    assert {n: a.dtype for n, a in found.items()} == {"a.w": np.float64, "a.b": np.float32}
    assert report.lacking == ("c",) and set(report.left) == {"n"}


def test_a_number_that_a_type_does_not_have(tmp_path: Path) -> None:
    save_file({"x": np.array([1e6], np.float32)}, tmp_path / "in")
    with pytest.raises(NetError, match=r"tensor 'x' of .* has the number 1e[+]06, which is too large for f16"):
        convert(open_stored(tmp_path / "in"), tmp_path / "out", floats="f16")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written(path: Path, tmp_path: Path) -> None:
    save_file({"u": np.zeros(3, np.complex64)}, tmp_path / "foreign")
    with pytest.raises(NetError, match=r"(?s)type C64, which netlang does not have.*drop u"):
        convert(open_stored(tmp_path / "foreign"), tmp_path / "out")
    with pytest.raises(NetError, match="terms of the sum"):
        convert(open_stored(path), tmp_path / "out", table("a.w + a.b -> s"))
    with pytest.raises(NetError, match="cannot write"):
        convert(open_stored(path), tmp_path / "no" / "folder")
