"""First values of parameters, and weights files."""

from __future__ import annotations

import os
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from netlang.diagnostics import NetError
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.runtime import weights
from netlang.runtime.parameters import initialise, learned


def param(name: str, init: tuple[object, ...], role: str = "weight", dtype: DType = DType.F32, size: int = 4) -> Value:
    return Builder().param(name, TensorType(dtype, (size, 5)), role, init)


NORMAL = ("normal", 0.0, 2.0)
PARAMS = (
    param("a", NORMAL),
    param("b", ("uniform", -1.0, 1.0)),
    param("c", ("constant", 3.0), role="buffer"),
    param("d", NORMAL, dtype=DType.BF16),
)


def test_values_depend_on_seed_and_name_alone() -> None:
    store = initialise(PARAMS, 7)
    assert np.array_equal(initialise(PARAMS[:1], 7)["a"], store["a"])
    assert not np.array_equal(initialise(PARAMS, 8)["a"], store["a"])
    assert not np.array_equal(initialise([param("e", NORMAL)], 7)["e"], store["a"])
    assert (store["c"] == 3).all() and np.abs(store["b"]).max() <= 1


def test_distributions() -> None:
    big = initialise([param("n", NORMAL, size=4000), param("u", ("uniform", 1.0, 3.0), size=4000)], 0)
    assert abs(big["n"].mean()) < 0.1 and abs(big["n"].std() - 2) < 0.1
    assert 1 <= big["u"].min() < 1.01 and 2.99 < big["u"].max() <= 3


def test_values_go_into_existing_arrays() -> None:
    store = initialise(PARAMS, 0)
    before = store["a"]
    initialise(PARAMS, 1, store)
    assert store["a"] is before


def test_literals_and_optimiser_state_are_not_learned() -> None:
    literal = param("filter", ("value", np.ones((4, 5), np.float32)), role="frozen")
    drawn = param("random", NORMAL, role="frozen")
    graph = Graph("g", params=(*PARAMS, literal, drawn, param("a.m", ("constant", 0.0), role="state")))
    assert [p.node.name for p in learned(graph)] == ["a", "b", "c", "d", "random"]


def test_weights_survive_a_file(tmp_path: Path) -> None:
    path, store = tmp_path / "w.safetensors", initialise(PARAMS, 0)
    weights.save(path, store, {"net": "x"})
    other = initialise(PARAMS, 1)
    assert weights.load(path, PARAMS, other) == {"net": "x"}
    assert all(other[n].tobytes() == store[n].tobytes() for n in store)
    assert other["d"].dtype == ml_dtypes.bfloat16


def test_a_file_that_does_not_fit_says_everything_and_changes_nothing(tmp_path: Path) -> None:
    path, store = tmp_path / "w.safetensors", initialise(PARAMS, 0)
    before = {n: a.copy() for n, a in store.items()}
    save_file({"a": np.ones((5, 4), np.float32), "b_": np.ones((4, 5), np.float32), "c": np.ones((4, 5))}, path)
    with pytest.raises(NetError) as fault:
        weights.load(path, PARAMS, store)
    text = str(fault.value)
    assert "tensor 'a'" in text and "expected f32[4, 5], got f32[5, 4]" in text
    assert "lacks the tensor 'b' (f32[4, 5])" in text and "the file has 'b_'" in text
    assert "expected f32[4, 5], got f64[4, 5]" in text
    assert "has a tensor 'b_' that the net does not" in text
    assert all(np.array_equal(before[n], store[n]) for n in store)


def test_a_checkpoint_is_not_taken_for_weights(tmp_path: Path) -> None:
    path, store = tmp_path / "c.safetensors", initialise(PARAMS, 0)
    weights.save(path, {**store, "$step": np.zeros((), np.float32)}, {"netlang": "{}"})
    with pytest.raises(NetError, match=r"c\.safetensors is a checkpoint"):
        weights.load(path, PARAMS, store)


def test_not_every_one_of_many_faults_is_listed(tmp_path: Path) -> None:
    path, store = tmp_path / "w.safetensors", initialise(PARAMS, 0)
    weights.save(path, {**store, **{f"x{i}": np.zeros(1, np.float32) for i in range(30)}}, {})
    with pytest.raises(NetError, match="10 more tensors do not fit") as fault:
        weights.load(path, PARAMS, store)
    assert len(fault.value.diagnostics) == 21


@pytest.mark.parametrize("content", [b"", b"garbage" * 30, b"\xff" * 8, (200).to_bytes(8, "little") + b"{" * 200])
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(NetError, match="not a whole safetensors file"):
        weights.load(path, PARAMS, initialise(PARAMS, 0))


def test_truncated_missing_and_folder(tmp_path: Path) -> None:
    path, store = tmp_path / "w.safetensors", initialise(PARAMS, 0)
    weights.save(path, store, {})
    path.write_bytes(path.read_bytes()[:-1])
    for wrong, text in [(path, "not a whole"), (tmp_path / "none", "No such file"), (tmp_path, "Is a directory")]:
        with pytest.raises(NetError, match=text):
            weights.load(wrong, PARAMS, store)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.safetensors"
    weights.save(path, {"a": np.ones(3, np.float32)}, {})

    def broken(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(NetError, match="No space left"):
        weights.save(path, {"a": np.zeros(3, np.float32)}, {})
    assert load_file(path)["a"].all() and os.listdir(tmp_path) == ["w.safetensors"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="cannot write"):
        weights.save(tmp_path / "none" / "w.safetensors", {}, {})


def test_a_parameter_larger_than_memory() -> None:
    with pytest.raises(NetError, match=r"parameter 'huge' \(f32\[1000000000000, 5\]\) does not fit into memory"):
        initialise([param("huge", NORMAL, size=10**12)], 0)
